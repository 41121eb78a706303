"""The command `daybook`, which an installed package has: the commands of `flask`, and a version."""

import click
from flask.cli import ScriptInfo

from app import create_app
from app.cli import COMMANDS
from app.kernel.release import VERSION


@click.group(
    commands=COMMANDS, context_settings={"obj": ScriptInfo(create_app=lambda: create_app())}
)
@click.version_option(VERSION, prog_name="daybook")
def main() -> None:
    """Daybook: an order service on JSON files, with an event outbox."""
