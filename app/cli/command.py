"""Shared by all commands: the runtime, and errors printed as one sentence."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import click
from flask import current_app
from flask.cli import with_appcontext

from app.kernel.errors import DaybookError
from app.server.runtime import Runtime
from app.store.files.folder.open import is_data_folder

P = ParamSpec("P")
R = TypeVar("R")


class CommandFailed(click.ClickException):
    """A command could not run; exits with 2."""

    exit_code = 2


class Command(click.Command):
    """A command that prints a DaybookError as one sentence on standard error."""

    def invoke(self, ctx: click.Context) -> Any:
        """See click.Command."""
        try:
            return super().invoke(ctx)
        except DaybookError as error:
            raise CommandFailed(str(error)) from None


def with_runtime(command: Callable[Concatenate[Runtime, P], R]) -> Callable[P, R]:
    """Pass the application's runtime to the command, and close it at the end in any case."""

    @with_appcontext
    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        runtime: Runtime = current_app.extensions["daybook"]
        try:
            return command(runtime, *args, **kwargs)
        finally:
            runtime.close()

    return run


def with_data_folder(command: Callable[Concatenate[Runtime, P], R]) -> Callable[P, R]:
    """As `with_runtime`, for commands that need a shop: a folder without one is refused."""

    @with_runtime
    @wraps(command)
    def run(runtime: Runtime, /, *args: P.args, **kwargs: P.kwargs) -> R:
        folder = runtime.config.data
        if not is_data_folder(folder, runtime.collections):
            raise CommandFailed(
                f"There is no shop in {folder}: no journal and none of its files. Set DAYBOOK_DATA "
                "to the data folder; `flask serve` or `flask import` begins a new one."
            )
        return command(runtime, *args, **kwargs)

    return run


def progress_bar(label: str, length: int) -> Any:
    """A progress bar on standard error, hidden unless that is a terminal."""
    is_hidden = not sys.stderr.isatty()
    return click.progressbar(length=length, label=label, file=sys.stderr, hidden=is_hidden)
