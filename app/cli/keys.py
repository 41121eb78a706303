"""`flask key`: make, list and revoke API keys."""

import click

from app.auth.keys import KEYS, create_key, revoke_key
from app.auth.users import refuse_key_name
from app.cli.command import command, json_option, print_documents
from app.kernel.identity import KEY_ROLES
from app.schema.fields import Text
from app.schema.validation import StrictSchema, load
from app.server.runtime import Runtime
from app.store import Transaction


class KeySchema(StrictSchema):
    """The name of a key."""

    name = Text(max_length=60, required=True)


@click.group("key")
def keys() -> None:
    """Make, list and revoke API keys."""


@command("create", keys)
@click.option("--role", type=click.Choice(KEY_ROLES), required=True, help="What it may do.")
@click.option("--name", required=True, help="Who uses it, such as till-1; what it does has it.")
def create(runtime: Runtime, role: str, name: str) -> None:
    """Make a key and print it, once: it is kept as a hash only."""
    name = load(KeySchema(), {"name": name})["name"]

    def add_key(tx: Transaction) -> str:
        refuse_key_name(tx, name)
        return create_key(tx, name, role)

    key = runtime.store.run_in_transaction(add_key)
    click.echo("Send it as `Authorization: Bearer KEY`. It will not be shown again:", err=True)
    click.echo(key)


@command("list", keys)
@json_option
def list_keys(runtime: Runtime, *, as_json: bool) -> None:
    """List the keys: prefix, role, name, and when each was made."""
    line = "{prefix}  {role:8}  {created}  {name}"
    members = "prefix", "role", "created", "name"
    print_documents(runtime, KEYS, "keys", line.format_map, members=members, as_json=as_json)


@command("revoke", keys)
@click.argument("prefix")
def revoke(runtime: Runtime, prefix: str) -> None:
    """End the key PREFIX (see `flask key list`), from the next request on."""
    key = runtime.store.run_in_transaction(lambda tx: revoke_key(tx, prefix))
    click.echo(f"Revoked {key['name']} ({key['role']}).")
