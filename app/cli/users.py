"""`flask user`: create, list, change and remove the users who sign in on the pages.

A password is typed at a prompt or read from the first line of standard input. It is never an
argument: those are visible in the list of processes and in the shell's history.
"""

import sys

import click

from app.auth import passwords
from app.auth.users import (
    USERS,
    change_password,
    change_role,
    create_user,
    find_user,
    parse_user_name,
    remove_user,
)
from app.cli.command import Command, with_runtime
from app.kernel.errors import Invalid, Problem
from app.kernel.identity import STAFF_ROLES
from app.server.runtime import Runtime

_role = click.option(
    "--role", type=click.Choice(STAFF_ROLES), required=True, help="What they may do."
)


@click.group("user")
def users() -> None:
    """Who may sign in on the pages: make, list, change and remove people."""


@users.command("create", cls=Command)
@click.argument("name")
@_role
@with_runtime
def create(runtime: Runtime, name: str, role: str) -> None:
    """Add the user NAME, with a password from a prompt or from standard input."""
    name = parse_user_name(name)
    password_hash = _read_password(name)
    with runtime.store.transaction() as tx:
        create_user(tx, name, role, password_hash)
    click.echo(f"{name} may sign in now, in the role {role}.")


@users.command("list", cls=Command)
@with_runtime
def list_users(runtime: Runtime) -> None:
    """List the users: role, since when, and name."""
    with runtime.store.read() as view:
        found = view.find(USERS.name).documents
    for user in found:
        click.echo(f"{user['role']:8}  {user['created']}  {user['name']}")
    click.echo(f"{len(found)} users." if found else "There are no users.")


@users.command("password", cls=Command)
@click.argument("name")
@with_runtime
def set_password(runtime: Runtime, name: str) -> None:
    """Give the user NAME another password, and sign them out everywhere."""
    with runtime.store.read() as view:
        name = find_user(view, name.lower())["name"]
    password_hash = _read_password(name)
    with runtime.store.transaction() as tx:
        change_password(tx, name, password_hash)
    click.echo(f"{name} has a new password, and is signed out everywhere.")


@users.command("role", cls=Command)
@click.argument("name")
@_role
@with_runtime
def set_role(runtime: Runtime, name: str, role: str) -> None:
    """Give the user NAME another role, and sign them out everywhere."""
    with runtime.store.transaction() as tx:
        change_role(tx, name.lower(), role)
    click.echo(f"{name.lower()} has the role {role} now, and is signed out everywhere.")


@users.command("remove", cls=Command)
@click.argument("name")
@with_runtime
def remove(runtime: Runtime, name: str) -> None:
    """Remove the user NAME, and end their sessions; what they did stays written down."""
    with runtime.store.transaction() as tx:
        remove_user(tx, name.lower())
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
