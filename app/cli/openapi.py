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
    """Write openapi.yaml, the contract of the API, from the routes and their schemas."""
    path = Path(current_app.root_path).parent / "openapi.yaml"
    path.write_text(as_yaml(current_app), "utf-8")
    click.echo("openapi.yaml is written.")
