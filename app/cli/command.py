"""What all commands share: the runtime, and errors shown as one sentence."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import click
from flask import current_app
from flask.cli import with_appcontext

from app.errors import DaybookError
from app.runtime import Runtime

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
