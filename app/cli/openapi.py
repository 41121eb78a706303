"""`flask openapi`."""

from pathlib import Path

import click
from flask import current_app
from flask.cli import with_appcontext

from app.cli.command import Command
from app.openapi.document import as_yaml


@click.command("openapi", cls=Command)
@with_appcontext
def openapi() -> None:
    """Write openapi.yaml, the contract that the routes and schemas make, into this folder."""
    Path("openapi.yaml").write_text(as_yaml(current_app), "utf-8")
    click.echo("openapi.yaml is written.")
