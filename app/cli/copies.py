"""`flask backup`, `flask restore` and `flask migrate`: copies of a whole shop, on either store."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import click

from app.cli.command import CommandFailed, command, progress_bar
from app.config import readers
from app.server.migrations import MIGRATIONS, SCHEMA
from app.server.runtime import Runtime
from app.store import ALL_SHARDS, Contents
from app.store.copying import Load
from app.store.files.store import JsonFileStore
from app.store.files.tools.backup import backup as backup_folder
from app.store.files.tools.backup import backup_contents
from app.store.files.tools.migrate import migrate as migrate_documents
from app.store.files.tools.new_data_folder import new_data_folder
from app.store.files.tools.new_folder import COPY_STEM
from app.store.files.tools.restore import restore as restore_folder
from app.store.files.tools.restore import restore_documents
from app.store.files.tools.write_folder import write_folder


@command("backup", needs_shop=True)
@click.argument("destination", type=click.Path(path_type=Path))
def backup(runtime: Runtime, destination: Path) -> None:
    """Copy the shop to the new folder DESTINATION, while the service runs or not.

    The copy is a data folder, also where the shop is on PostgreSQL.
    """
    if runtime.has_files:
        copied = backup_folder(runtime.open_files(), destination)
    else:
        folder = runtime.config.data
        with runtime.open().contents() as contents, _progress(runtime, contents) as advance:
            copied = backup_contents(
                contents, runtime.collections, SCHEMA, folder, destination, advance
            )
    click.echo(
        f"{copied.files} files, {copied.bytes} bytes, are in {destination}: "
        f"everything up to transaction {copied.last_transaction}."
    )


@command("restore")
@click.argument("backup", type=click.Path(path_type=Path))
@click.option(
    "--without-manifest", is_flag=True, help="Take a backup of an older version, which has none."
)
def restore(runtime: Runtime, backup: Path, *, without_manifest: bool) -> None:
    """Make the folder BACKUP, which `flask backup` wrote, the shop, whole or not at all.

    Every checksum is verified. The data folder must be new or empty, and so must the database be
    where the shop is on PostgreSQL; no shop is replaced.
    """
    folder, collections = runtime.config.data, runtime.collections
    needs_manifest = not without_manifest
    if runtime.has_files:
        restored = restore_folder(backup, folder, collections, needs_manifest=needs_manifest)
        place = f"{folder}"
    else:
        with _database(runtime, runtime.config.store) as write:
            load = partial(_load_folder, runtime, write)
            restored = restore_documents(
                backup, folder, collections, load, needs_manifest=needs_manifest
            )
        place = f"the database and {folder}"
    click.echo(
        f"{restored.files} files, {restored.bytes} bytes, were restored to {place}: "
        f"{restored.documents} documents in files and everything up to transaction "
        f"{restored.last_transaction}, each checksum verified.\n"
        "Run `flask check` to compare stock and invoices with the orders. Events that were pending "
        "in the backup (mail, for example) are delivered at the next start."
    )


def _parse_target(_context: click.Context, _option: click.Parameter, text: str) -> str | Path:
    """The URL of a database, without a password, or a folder."""
    if "://" not in text:
        return Path(text)
    try:
        readers.store(text)
        has_password = urlsplit(text).password is not None
    except ValueError:
        raise click.BadParameter(
            "must be a folder, or a URL such as postgresql://user@host/database."
        ) from None
    if has_password:
        raise click.BadParameter(
            "A command line shows a password to every user of this machine. Leave it out, and set "
            "PGPASSWORD, or write it into libpq's password file."
        )
    return text


@command("migrate", needs_shop=True)
@click.option(
    "--to",
    "target",
    required=True,
    metavar="URL|FOLDER",
    callback=_parse_target,
    help="An empty PostgreSQL database, or a new folder.",
)
def migrate(runtime: Runtime, target: str | Path) -> None:
    """Copy a stopped shop to another store: from files to PostgreSQL, or back.

    Everything goes along, and numbers go on: orders, events with their deliveries, users and keys.
    Each document is compared after it was stored. The shop is left as it is; the copy is complete,
    or there is none.
    """
    store = runtime.open()
    if store.lease_shards(timeout_s=runtime.config.lock_timeout) != ALL_SHARDS:
        raise CommandFailed("The service is running; stop it, then run `flask migrate` again.")
    with (
        store.contents() as contents,
        _target(runtime, target) as write,
        _progress(runtime, contents) as advance,
    ):
        documents = write(contents, advance)
        if store.position() != contents.position:
            raise CommandFailed(
                "A service has changed the shop meanwhile, so the copy was not kept. Stop it, then "
                "run `flask migrate` again."
            )
    click.echo(f"{documents} documents were copied, and each was compared.")
    if isinstance(target, Path):
        settings = f"DAYBOOK_STORE=file and DAYBOOK_DATA={target}; pictures and mail are there too"
    else:
        settings = f"DAYBOOK_STORE to the URL; pictures and mail stay in {runtime.config.data}"
    click.echo(
        f"Set {settings}. Then run `flask check`, and start the service there. Start none on the "
        "shop that was copied: it would go on by itself, and send its mail again."
    )


@contextmanager
def _target(runtime: Runtime, target: str | Path) -> Iterator[Load]:
    """Open a new data folder or an empty database, which is complete at the end of the block."""
    if isinstance(target, Path):
        with new_data_folder(target, runtime.config.data, COPY_STEM) as folder:
            yield partial(write_folder, folder, runtime.collections, SCHEMA)
    else:
        with _database(runtime, target) as write:
            yield write


@contextmanager
def _database(runtime: Runtime, url: str) -> Iterator[Load]:
    from app.store.postgres.loading import open_empty  # slow, and a shop on files needs none

    timeout_s = runtime.config.lock_timeout
    with open_empty(url, runtime.collections, timeout_s, SCHEMA, MIGRATIONS) as write:
        yield write


def _load_folder(runtime: Runtime, write: Load, folder: Path) -> None:
    """Write the documents of a data folder, also of an older Daybook, into another store."""
    migrate_documents(folder, runtime.collections, MIGRATIONS)
    with (
        closing(JsonFileStore(folder, runtime.collections, schema=SCHEMA)) as store,
        store.contents() as contents,
        _progress(runtime, contents) as advance,
    ):
        write(contents, advance)


@contextmanager
def _progress(runtime: Runtime, contents: Contents) -> Iterator[Callable[[int], None]]:
    """Yield a function that moves a progress bar by a number of documents."""
    count = sum(1 for each in runtime.collections for _ in contents.view.keys(each.name))
    with progress_bar("documents", count) as bar:
        yield bar.update
