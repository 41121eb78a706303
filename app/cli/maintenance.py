"""`flask check`, `flask backup` and `flask restore`."""

import sys
from collections.abc import Iterable
from pathlib import Path

import click

from app.audit import recompute
from app.audit.findings import Findings
from app.audit.repair import mend
from app.billing.simulator import gateway
from app.cli.command import Command, with_runtime, with_shop
from app.server.migrations import SCHEMA
from app.server.runtime import Runtime
from app.shipping.service import rules_of
from app.store.files.tools.adopt_edits import accept as accept_files
from app.store.files.tools.backup import backup as back_up
from app.store.files.tools.read_only import look
from app.store.files.tools.repair import salvage
from app.store.files.tools.restore import restore as restore_folder
from app.store.files.tools.verify import inspect


@click.command("check", cls=Command)
@click.option("--accept", is_flag=True, help="Take files that were edited by hand as true.")
@click.option("--repair", is_flag=True, help="Mend stock and invoices, and the journal.")
@with_shop
def check(runtime: Runtime, *, accept: bool, repair: bool) -> None:
    """Read every file, and compare stock, invoices, statuses and failures with the orders.

    Without options nothing is changed. Exits with 1 when something is not as it should be. --accept
    needs the service stopped; --repair only where the journal is damaged.
    """
    if accept:
        _accept(runtime)
    if repair:
        _salvage(runtime)
    if repair or not accept:
        _inspect(runtime)
        differ = _repair(runtime) if repair else _compare(runtime)
        sys.exit(1 if differ else 0)


@click.command("backup", cls=Command)
@click.argument("destination", type=click.Path(path_type=Path))
@with_shop
def backup(runtime: Runtime, destination: Path) -> None:
    """Copy the data folder to the new folder DESTINATION, while the service runs or not."""
    copied = back_up(runtime.open(), destination)
    click.echo(
        f"{copied.files} files, {copied.bytes} bytes, are in {destination}: "
        f"everything up to transaction {copied.last_transaction}."
    )


@click.command("restore", cls=Command)
@click.argument("backup", type=click.Path(path_type=Path))
@with_runtime
def restore(runtime: Runtime, backup: Path) -> None:
    """Make the folder BACKUP, which `flask backup` wrote, the data folder, whole or not at all.

    Every checksum is verified. The data folder must be new or empty; no shop is replaced.
    """
    folder = runtime.config.data
    restored = restore_folder(backup, folder, runtime.collections)
    click.echo(
        f"{restored.files} files, {restored.bytes} bytes, were restored to {folder}: "
        f"{restored.documents} documents in files and everything up to transaction "
        f"{restored.last_transaction}, each checksum verified.\n"
        "Run `flask check` to compare the books. What had not been delivered when the backup was "
        "made (mail, say) is delivered at the next start."
    )


def _accept(runtime: Runtime) -> None:
    accepted = accept_files(runtime.config.data, runtime.collections)
    for each in accepted:
        click.echo(
            f"{each.file} is taken as true: {each.documents} documents, "
            f"{each.documents_before} before."
        )
    if accepted:
        click.echo("Run `flask check` to see whether stock and invoices agree with it.")
    else:
        click.echo("No file was edited; there is nothing to accept.")


def _salvage(runtime: Runtime) -> None:
    """Make a damaged journal readable again, and list what is lost; nothing for a sound one."""
    salvaged = salvage(runtime.config.data, runtime.collections)
    if salvaged is None:
        return
    for each in salvaged.lost:
        click.echo(f"{each.file}, byte {each.offset}: {each.text}")
    click.echo(
        f"The journal was made anew from the {salvaged.transactions} transactions that could be "
        f"read; as it was, it stands in {salvaged.aside}/."
    )


def _inspect(runtime: Runtime) -> None:
    """Verify the files; exits with 1 when they cannot be trusted, or hold nothing yet."""
    seen = inspect(runtime.config.data, runtime.collections, runtime.config.lock_timeout)
    for each in seen.findings:
        click.echo(f"{each.file}, byte {each.offset}: {each.text}")
    click.echo(
        f"{seen.files} files with {seen.documents} documents and {seen.transactions} newer "
        "transactions were read."
    )
    if any(not each.heals for each in seen.findings):
        sys.exit(1)
    if not seen.segments:
        click.echo("No service has opened this folder yet, so there is nothing to compare.")
        sys.exit(0)


def _compare(runtime: Runtime) -> bool:
    """Print every difference; returns whether there is one. Writes nothing."""
    with look(runtime.config.data, runtime.collections, SCHEMA) as view:
        findings = recompute(view)
    _tell(findings.differences)
    _tell_scope(findings)
    return bool(findings.differences)


def _repair(runtime: Runtime) -> bool:
    """Mend what can be mended and say what that was; returns whether a difference is left."""
    found = _recompute(runtime)
    mend(runtime.store, found.differences, gateway(runtime.config), rules_of(runtime.config))
    left = _recompute(runtime)
    _tell((each for each in found.differences if each not in left.differences), "mended: ")
    _tell(left.differences)
    _tell_scope(left)
    return bool(left.differences)


def _recompute(runtime: Runtime) -> Findings:
    with runtime.store.read() as view:
        return recompute(view)


def _tell(differences: Iterable[object], prefix: str = "") -> None:
    for each in differences:
        click.echo(f"{prefix}{each}")


def _tell_scope(findings: Findings) -> None:
    click.echo(f"{findings.orders} orders and {findings.products} products were compared.")
    if findings.on_their_way:
        click.echo(
            f"{len(findings.on_their_way)} orders have deliveries on their way or in failure.json, "
            "and were not judged by those."
        )
    if findings.given_up:
        click.echo(f"{len(findings.given_up)} orders have discarded deliveries: not judged either.")
    count = len(findings.differences)
    click.echo(f"{count} differences." if count else "Everything agrees.")
