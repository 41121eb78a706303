"""`flask check`."""

import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import NoReturn

import click

from app.audit import recompute
from app.audit.repair import repair as repair_differences
from app.audit.report import AuditReport, Difference
from app.billing.simulator import payment_gateway
from app.cli.command import command, json_option, print_json
from app.inventory.pictures import Pictures
from app.server.migrations import SCHEMA
from app.server.runtime import Runtime
from app.shipping.service import shipping_policy
from app.store import View
from app.store.files.tools.adopt_edits import adopt_edits
from app.store.files.tools.read_only import open_read_only
from app.store.files.tools.repair import repair_folder
from app.store.files.tools.verify import verify

_AFTER_A_LOSS = (
    "Because something was lost, the documents were only compared with each other. Put back what "
    "you have, from a backup or the copy, and adopt it by `flask check --accept`. Then run "
    "`flask check --repair` again: it takes a missing order for a deleted one."
)


@command("check", needs_shop=True)
@click.option("--accept", is_flag=True, help="Take files that were edited by hand as true.")
@click.option("--repair", is_flag=True, help="Repair stock, invoices, damaged files and journal.")
@json_option
def check(runtime: Runtime, *, accept: bool, repair: bool, as_json: bool) -> None:
    """Read every file, and compare stock, invoices, statuses and failures with the orders.

    On PostgreSQL there are no files to read or accept; the database checks its own.

    Without --accept and --repair nothing is changed. Exits with 1 when something is not as it
    should be, or a repair lost something. --accept needs the service stopped; --repair only where
    the journal or a file is damaged.
    """
    if as_json:
        if accept or repair:
            raise click.UsageError("--json prints what is wrong; leave out --accept and --repair.")
        _check_as_json(runtime)
    if accept:
        _adopt_edits(runtime)
    is_lossy = repair and runtime.has_files and _repair_folder(runtime)
    if repair or not accept:
        if runtime.has_files:
            _verify(runtime)
        report = _repair(runtime) if repair and not is_lossy else _audit(runtime)
        _print_scope(report)
        if is_lossy:
            click.echo(_AFTER_A_LOSS)
        sys.exit(1 if report.differences or is_lossy else 0)


def _check_as_json(runtime: Runtime) -> NoReturn:
    """Print the faults of files, then the differences; exits as the check without --json."""
    config, rows = runtime.config, list[dict[str, object]]()
    is_readable = is_shop = True
    if runtime.has_files:
        found = verify(config.data, runtime.collections, config.lock_timeout)
        rows += [{"kind": "fault", **each._asdict()} for each in found.faults]
        is_readable, is_shop = all(each.heals for each in found.faults), bool(found.segments)
    differences: list[Difference] = []
    if is_shop and is_readable:
        with _read_only(runtime) as view:
            differences = recompute(view, Pictures(config.data)).differences
    rows += [
        {
            "kind": "difference",
            "what": each.what,
            "where": each.where,
            "expected": str(each.expected),
            "found": str(each.found),
            "repair": each.repair.value if each.repair else None,
        }
        for each in differences
    ]
    print_json(rows)
    sys.exit(1 if differences or not is_readable else 0)


def _adopt_edits(runtime: Runtime) -> None:
    adopted = adopt_edits(runtime.data_folder, runtime.collections)
    for each in adopted:
        click.echo(
            f"{each.file} is taken as true: {each.documents} documents, "
            f"{each.documents_before} before."
        )
    if adopted:
        click.echo("Run `flask check` to see whether stock and invoices agree with it.")
    else:
        click.echo("No file was edited; there is nothing to accept.")


def _repair_folder(runtime: Runtime) -> bool:
    """Rebuild a damaged journal and damaged files, and print what is lost; returns whether any is.

    Does nothing to a sound folder.
    """
    report = repair_folder(runtime.config.data, runtime.collections)
    if report is None:
        return False
    _print_lines(report.lost)
    click.echo(
        f"The journal was made anew from the {report.transactions} transactions that could be "
        f"read; a copy of the damaged one, and of files that were not as the service left them, is "
        f"in {report.copy}/."
    )
    return bool(report.lost)


def _verify(runtime: Runtime) -> None:
    """Verify the files; exits with 1 when one is damaged, and with 0 when there is no journal."""
    found = verify(runtime.config.data, runtime.collections, runtime.config.lock_timeout)
    _print_lines(found.faults)
    click.echo(
        f"{found.files} files with {found.documents} documents and {found.transactions} newer "
        "transactions were read."
    )
    if any(not each.heals for each in found.faults):
        sys.exit(1)
    if not found.segments:
        click.echo("No service has opened this folder yet, so there is nothing to compare.")
        sys.exit(0)


def _audit(runtime: Runtime) -> AuditReport:
    """Print every difference. Writes nothing."""
    with _read_only(runtime) as view:
        report = recompute(view, Pictures(runtime.config.data))
    _print_lines(report.differences)
    return report


def _read_only(runtime: Runtime) -> AbstractContextManager[View]:
    """A view for which nothing is written, not even to open the store."""
    if runtime.has_files:
        return open_read_only(runtime.config.data, runtime.collections, SCHEMA)
    return runtime.store.read()


def _repair(runtime: Runtime) -> AuditReport:
    """Repair the differences, and print which were repaired and which are left."""
    before, config = _recompute(runtime), runtime.config
    gateway, policy = payment_gateway(config), shipping_policy(config)
    repair_differences(runtime.store, before.differences, gateway, policy)
    after = _recompute(runtime)
    repaired = (each for each in before.differences if each not in after.differences)
    _print_lines(repaired, "repaired: ")
    _print_lines(after.differences)
    return after


def _recompute(runtime: Runtime) -> AuditReport:
    with runtime.store.read() as view:
        return recompute(view, Pictures(runtime.config.data))


def _print_lines(lines: Iterable[object], prefix: str = "") -> None:
    for each in lines:
        click.echo(f"{prefix}{each}")


def _print_scope(report: AuditReport) -> None:
    """Print how much was compared, and how many differences there are."""
    click.echo(f"{report.orders} orders and {report.products} products were compared.")
    skipped = {"pending or failed": report.in_progress, "discarded": report.discarded}
    for kind, orders in skipped.items():
        if orders:
            click.echo(
                f"{len(orders)} orders have {kind} deliveries: what depends on those was not "
                "compared."
            )
    count = len(report.differences)
    click.echo(f"{count} differences." if count else "Everything agrees.")
