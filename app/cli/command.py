"""Shared by all commands: the runtime, lists, and errors printed as one sentence."""

import json
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import wraps
from typing import Any

import click
from flask import current_app
from flask.cli import with_appcontext

from app.kernel.errors import DaybookError
from app.server.runtime import Runtime
from app.store import Collection, Document
from app.store.files.disk.owner import OtherUser
from app.store.files.folder.open import is_data_folder


class CommandFailed(click.ClickException):
    """A command could not run; exits with 2."""

    exit_code = 2


class Command(click.Command):
    """A command that prints a DaybookError as one sentence on standard error."""

    def invoke(self, ctx: click.Context) -> Any:
        """See click.Command."""
        try:
            return super().invoke(ctx)
        except OtherUser as error:
            again = shlex.join(["sudo", "-E", "-u", error.owner, *sys.argv])
            raise CommandFailed(f"{error}\n\n    {again}\n") from None
        except DaybookError as error:
            raise CommandFailed(str(error)) from None


def command(
    name: str, group: click.Group | None = None, *, needs_shop: bool = False
) -> Callable[[Callable[..., None]], click.Command]:
    """Make a function a command, of the group if any, that gets the runtime (see with_runtime)."""
    add = group.command if group else click.command
    return lambda function: add(name, cls=Command)(with_runtime(function, needs_shop=needs_shop))


def with_runtime(function: Callable[..., None], *, needs_shop: bool = False) -> Callable[..., None]:
    """Pass the application's runtime to the function, and close it at the end in any case.

    With `needs_shop`, the command fails on a data folder without a shop.
    """

    @with_appcontext
    @wraps(function)
    def run(*args: Any, **options: Any) -> None:
        with closing(current_app.extensions["daybook"]) as runtime:
            if needs_shop:
                _require_shop(runtime)
            function(runtime, *args, **options)

    return run


json_option = click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
"""The option of every command that lists."""


def print_json(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print an array of objects; also where there are none."""
    click.echo(json.dumps(rows, ensure_ascii=False, indent=2))


def print_documents(
    runtime: Runtime,
    collection: Collection,
    noun: str,
    line: Callable[[Document], str],
    *,
    members: Sequence[str] = (),
    as_json: bool,
) -> None:
    """Print a line for each document of the collection, then how many there are.

    As JSON the documents themselves are printed, with these `members` or, without any, with all.
    """
    with runtime.store.read() as view:
        documents = view.find(collection.name).documents
    if as_json:
        print_json([{name: each[name] for name in members or each} for each in documents])
        return
    for each in documents:
        click.echo(line(each))
    click.echo(f"{len(documents)} {noun}." if documents else f"There are no {noun}.")


def progress_bar(label: str, length: int) -> Any:
    """A progress bar on standard error, hidden unless that is a terminal."""
    is_hidden = not sys.stderr.isatty()
    return click.progressbar(length=length, label=label, file=sys.stderr, hidden=is_hidden)


def _require_shop(runtime: Runtime) -> None:
    folder = runtime.config.data
    if runtime.has_files and not is_data_folder(folder, runtime.collections):
        raise CommandFailed(
            f"There is no shop in {folder}: no journal and none of its files. Set DAYBOOK_DATA "
            "to the data folder; `flask serve` or `flask import` begins a new one."
        )
