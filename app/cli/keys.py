"""`flask key`: make, list and revoke API keys."""

import click

from app.auth.keys import KEYS, create_key, revoke_key
from app.auth.users import refuse_key_name
from app.cli.command import Command, with_runtime
from app.kernel.identity import KEY_ROLES
from app.schema.fields import Text
from app.schema.validation import StrictSchema, load
from app.server.runtime import Runtime


class KeySchema(StrictSchema):
    """The name of a key."""

    name = Text(max_length=60, required=True)


@click.group("key")
def keys() -> None:
    """Who may use the API: make, list and revoke keys."""


@keys.command("create", cls=Command)
@click.option("--role", type=click.Choice(KEY_ROLES), required=True, help="What it may do.")
@click.option("--name", required=True, help="Who uses it, such as till-1; what it does has it.")
@with_runtime
def create(runtime: Runtime, role: str, name: str) -> None:
    """Make a key and print it, once: it is kept as a hash only."""
    name = load(KeySchema(), {"name": name})["name"]
    with runtime.store.transaction() as tx:
        refuse_key_name(tx, name)
        key = create_key(tx, name, role)
    click.echo("Send it as `Authorization: Bearer KEY`. It will not be shown again:", err=True)
    click.echo(key)


@keys.command("list", cls=Command)
@with_runtime
def list_keys(runtime: Runtime) -> None:
    """List the keys: prefix, role, name, and when each was made."""
    with runtime.store.read() as view:
        found = view.find(KEYS.name).documents
    for key in found:
        click.echo(f"{key['prefix']}  {key['role']:8}  {key['created']}  {key['name']}")
    click.echo(f"{len(found)} keys." if found else "There are no keys.")


@keys.command("revoke", cls=Command)
@click.argument("prefix")
@with_runtime
def revoke(runtime: Runtime, prefix: str) -> None:
    """End the key PREFIX (see `flask key list`), from the next request on."""
    with runtime.store.transaction() as tx:
        key = revoke_key(tx, prefix)
    click.echo(f"Revoked {key['name']} ({key['role']}).")
