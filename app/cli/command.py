"""What all commands share: the runtime, and errors shown as one sentence."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import click
from flask import current_app
from flask.cli import with_appcontext

from app.kernel.errors import DaybookError
from app.server.runtime import Runtime
from app.store.files.folder.open import is_data_folder

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


class Refused(click.ClickException):
    """A command could not do what it was asked."""

    exit_code = 2


class Command(click.Command):
    """A command whose foreseeable errors are shown as one sentence on standard error."""

    def invoke(self, ctx: click.Context) -> Any:
        """See click.Command."""
        try:
            return super().invoke(ctx)
        except DaybookError as error:
            raise Refused(str(error)) from None


def with_runtime(
    command: Callable[Concatenate[Runtime, Given], Answer],
) -> Callable[Given, Answer]:
    """Give the command the application's runtime, and close it at the end, whatever happens."""

    @with_appcontext
    @wraps(command)
    def run(*args: Given.args, **kwargs: Given.kwargs) -> Answer:
        runtime: Runtime = current_app.extensions["daybook"]
        try:
            return command(runtime, *args, **kwargs)
        finally:
            runtime.close()

    return run


def with_shop(
    command: Callable[Concatenate[Runtime, Given], Answer],
) -> Callable[Given, Answer]:
    """As `with_runtime`, for commands that need a shop: a folder that holds none is not opened."""

    @with_runtime
    @wraps(command)
    def run(runtime: Runtime, /, *args: Given.args, **kwargs: Given.kwargs) -> Answer:
        folder = runtime.config.data
        if not is_data_folder(folder, runtime.collections):
            raise Refused(
                f"There is no shop in {folder}: no journal and none of its files. Set DAYBOOK_DATA "
                "to the data folder; `flask serve` or `flask import` begins a new one."
            )
        return command(runtime, *args, **kwargs)

    return run
