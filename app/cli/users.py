"""`flask user`: create, list, change and remove the users who sign in on the pages.

A password is typed at a prompt or read from the first line of standard input. It is never an
argument: those are visible in the list of processes and in the shell's history.
"""

import sys

import click

from app.auth import passwords, users
from app.cli.command import command, json_option, print_documents
from app.kernel.errors import Invalid, Problem
from app.kernel.identity import STAFF_ROLES
from app.server.runtime import Runtime

_role = click.option(
    "--role", type=click.Choice(STAFF_ROLES), required=True, help="What they may do."
)


@click.group("user")
def user() -> None:
    """Make, list, change and remove the users who sign in on the pages."""


@command("create", user)
@click.argument("name")
@_role
def create(runtime: Runtime, name: str, role: str) -> None:
    """Add the user NAME, with a password from a prompt or from standard input."""
    name = users.parse_user_name(name)
    password_hash = _read_password(name)
    runtime.store.run_in_transaction(lambda tx: users.create_user(tx, name, role, password_hash))
    click.echo(f"{name} may sign in now, in the role {role}.")


@command("list", user)
@json_option
def list_users(runtime: Runtime, *, as_json: bool) -> None:
    """List the users: role, since when, and name."""
    line = "{role:8}  {created}  {name}"
    members = "role", "created", "name"
    print_documents(
        runtime, users.USERS, "users", line.format_map, members=members, as_json=as_json
    )


@command("password", user)
@click.argument("name")
def set_password(runtime: Runtime, name: str) -> None:
    """Give the user NAME another password, and sign them out everywhere."""
    with runtime.store.read() as view:
        name = users.find_user(view, name.lower())["name"]
    password_hash = _read_password(name)
    runtime.store.run_in_transaction(lambda tx: users.change_password(tx, name, password_hash))
    click.echo(f"{name} has a new password, and is signed out everywhere.")


@command("role", user)
@click.argument("name")
@_role
def set_role(runtime: Runtime, name: str, role: str) -> None:
    """Give the user NAME another role, and sign them out everywhere."""
    runtime.store.run_in_transaction(lambda tx: users.change_role(tx, name.lower(), role))
    click.echo(f"{name.lower()} has the role {role} now, and is signed out everywhere.")


@command("remove", user)
@click.argument("name")
def remove(runtime: Runtime, name: str) -> None:
    """Remove the user NAME, and end their sessions; what they did stays written down."""
    runtime.store.run_in_transaction(lambda tx: users.remove_user(tx, name.lower()))
    click.echo(f"Removed {name.lower()}.")


def _read_password(name: str) -> str:
    """The hash of a password from the terminal or standard input. Raises Invalid for a weak one."""
    password = _read_terminal() if sys.stdin.isatty() else _read_stdin()
    passwords.refuse_weak(password, name)
    return passwords.hash_password(password)


def _read_terminal() -> str:
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))


def _read_stdin() -> str:
    try:
        return sys.stdin.buffer.readline().decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise Invalid([Problem("", "The password must be in UTF-8.")]) from None
