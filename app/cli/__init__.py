"""The commands: `flask serve` and those for operators, with their options and output.

The work is done in app/imports/, app/events/replay_job.py, app/audit/ and the store. A command
exits with 0 when all is well, 1 when it found something wrong, and 2 when it could not run.
"""

from flask import Flask

from app.cli.config import config
from app.cli.copies import backup, migrate, restore
from app.cli.course import course
from app.cli.failures import discard, list_failures, replay
from app.cli.imports import imports
from app.cli.keys import keys
from app.cli.maintenance import check
from app.cli.openapi import openapi
from app.cli.privacy import export, forget
from app.cli.serve import serve
from app.cli.users import user
from app.cli.webhook import webhook

COMMANDS = (
    *(serve, imports, list_failures, replay, discard, check, backup, restore, migrate),
    *(forget, export, keys, user, webhook, config, openapi, course),
)


def install(app: Flask) -> None:
    """Add the commands to `app`."""
    for command in COMMANDS:
        app.cli.add_command(command)
