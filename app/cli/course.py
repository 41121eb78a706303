"""`flask course start` and `flask course check`: the shop of docs/course/, and its exercises."""

import sys

import click

from app.cli.command import CommandFailed, command
from app.cli.course_checks import CHECKS, check_handler
from app.config.data_folder import MODEL_FOLDER, default_folder
from app.imports.sample import add_sample
from app.server.migrations import SCHEMA
from app.server.runtime import Runtime
from app.store.files.disk.filesystem import translating_os_errors
from app.store.files.tools.read_only import open_read_only


@click.group("course")
def course() -> None:
    """Begin the course of docs/course/, or check an exercise."""


@command("start", course)
def start(runtime: Runtime) -> None:
    """Begin a shop for the course in the data folder, which must be new or empty."""
    folder = runtime.config.data
    if MODEL_FOLDER.is_dir() and folder.absolute() == default_folder():
        raise CommandFailed("Set DAYBOOK_DATA to a new folder for the course; this is the shop's.")
    with translating_os_errors(f"looking into {folder.name}/"):
        if folder.exists() and any(folder.iterdir()):
            raise CommandFailed(
                f"{folder} is not empty. Set DAYBOOK_DATA to a new folder for the course, or "
                "remove this one if nothing in it is needed."
            )
    added = add_sample(runtime.store, runtime.config.currency)
    click.echo(f"A shop with {added} products is in {folder}; `flask serve` opens it.")


@command("check", course, needs_shop=True)
@click.argument("exercise", type=click.IntRange(1, 6))
def check(runtime: Runtime, exercise: int) -> None:
    """Say whether EXERCISE (1 to 6) was done, and what is missing; exits with 1 then."""
    if exercise in CHECKS:
        with open_read_only(runtime.config.data, runtime.collections, SCHEMA) as view:
            missing = CHECKS[exercise](runtime, view)
    else:
        missing = check_handler()
    for sentence in missing:
        click.echo(f"- {sentence}")
    click.echo(f"Exercise {exercise} is {'not done yet' if missing else 'done'}.")
    sys.exit(1 if missing else 0)
