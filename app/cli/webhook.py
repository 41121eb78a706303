"""`flask webhook`: add and list endpoints, recover what one missed, and a receiver to try it with.

A secret is never an argument: those are in the list of processes and in the shell's history.
"""

import os
import sys
from datetime import datetime

import click

from app.cli.command import CommandFailed, command, json_option, print_documents
from app.cli.failures import parse_since, system_user
from app.config import readers
from app.schema.validation import load
from app.server.runtime import Runtime
from app.store import Document
from app.system.os_errors import cause_of
from app.webhooks.deliveries import recover
from app.webhooks.documents import WEBHOOKS
from app.webhooks.handlers import webhook_handlers
from app.webhooks.listener import HOST, Listener
from app.webhooks.schemas import ENDPOINT_REQUEST
from app.webhooks.service import SHOWN, create_endpoint
from app.webhooks.signature import new_secret


@click.group("webhook")
def webhook() -> None:
    """Add webhooks, send again what one has missed, and see webhooks arrive."""


@command("add", webhook)
@click.argument("url")
@click.argument("types", metavar="TYPE...", nargs=-1, required=True)
@click.option("--description", default="", help="What receives there, such as: the warehouse.")
def add_webhook(runtime: Runtime, url: str, types: tuple[str, ...], description: str) -> None:
    """Send events of these types to URL from now on; print the secret that signs them, once.

    A TYPE is one event type, such as product.low_stock, or 'order.*', or '*' for all.
    """
    request = {"url": url, "types": list(types), "description": description}
    wanted = load(ENDPOINT_REQUEST, request)
    webhook_handlers(runtime.config).sender.check(url)
    secret, by = new_secret(), system_user()
    added = runtime.store.run_in_transaction(lambda tx: create_endpoint(tx, wanted, secret, by))
    click.echo(f"{added['webhook_id']} gets events now. Its secret is not shown again:", err=True)
    click.echo(secret)


@command("list", webhook, needs_shop=True)
@json_option
def list_webhooks(runtime: Runtime, *, as_json: bool) -> None:
    """List the webhooks: id, URL, event types, and whether each is enabled or failing."""
    print_documents(runtime, WEBHOOKS, "webhooks", _endpoint_line, members=SHOWN, as_json=as_json)


@command("recover", webhook, needs_shop=True)
@click.argument("webhook_id")
@click.option(
    "--since",
    required=True,
    help="Of the first event, such as 2026-11-21 or 2026-11-21T08:00Z.",
)
def recover_webhook(runtime: Runtime, webhook_id: str, since: str) -> None:
    """Send the webhook WEBHOOK_ID every event since a time that it has not accepted.

    The running service sends them; without one, the next that starts does.
    """
    moment = parse_since(runtime, since)
    count, next_since = recover(runtime.store, webhook_id, moment, system_user())
    click.echo(f"{count} {'event is' if count == 1 else 'events are'} on the way again.")
    if next_since:
        click.echo(f"There are more. Once these are sent, recover with --since {next_since}.")


@command("listen", webhook)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=9000,
    show_default=True,
    help="Where to listen on this machine.",
)
def listen(runtime: Runtime, port: int) -> None:
    """Receive webhooks on this machine: verify each, and print a line for it.

    The endpoint's secret comes from WEBHOOK_SECRET, a prompt or standard input.
    """
    secret = os.environ.get("WEBHOOK_SECRET") or _ask_for_secret(runtime, port)
    try:
        readers.webhook_secret(secret)
    except ValueError:
        raise CommandFailed("The secret is `whsec_` and base64; copy all of it.") from None
    try:
        listener = Listener(port, secret, _report)
    except OSError as error:
        raise CommandFailed(f"Port {port} cannot be used: {cause_of(error)}.") from None
    with listener:
        click.echo(f"Listening at {listener.url} until Ctrl-C.")
        try:
            listener.serve_forever()
        except KeyboardInterrupt:
            click.echo()


def _ask_for_secret(runtime: Runtime, port: int) -> str:
    click.echo(
        "In another terminal, register an endpoint with a shop that was started with\n"
        "DAYBOOK_WEBHOOK_HTTP=on and DAYBOOK_WEBHOOK_PRIVATE=on:\n\n"
        f"    curl -s localhost:{runtime.config.port}/webhook "
        "-H 'Content-Type: application/json' \\\n"
        f"""      -d '{{"url": "http://{HOST}:{port}/", "types": ["order.*"]}}'\n""",
        err=True,
    )
    hidden = sys.stdin.isatty()
    return str(click.prompt("The endpoint's secret", hide_input=hidden, err=True))


def _report(line: str) -> None:
    click.echo(f"{datetime.now():%H:%M:%S}  {line}")  # noqa: DTZ005  (the reader's own time)


def _endpoint_line(endpoint: Document) -> str:
    state = "enabled" if endpoint["enabled"] else f"disabled {endpoint['disabled_reason']}".strip()
    if endpoint["enabled"] and endpoint["failing_since"]:
        state = f"failing since {endpoint['failing_since']}"
    return f"{endpoint['webhook_id']}  {endpoint['url']}  {','.join(endpoint['types'])}  {state}"
