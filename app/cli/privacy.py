"""`flask forget` and `flask export-person`: erase a customer, and print a person's data."""

import json
import sys
from collections.abc import Sequence
from functools import partial

import click

from app.cli.command import command
from app.events.outbox import DEAD, DONE, OUTBOX, PENDING
from app.events.types import CustomerForgotten
from app.kernel.errors import Conflict, NotFound
from app.kernel.identity import COMMAND
from app.notification.mailbox import Mailbox
from app.privacy.customers import OrderKey, find_orders
from app.privacy.erasure import find_erasure, find_traces, forget_customer
from app.privacy.export import export_person
from app.privacy.handlers import HANDLER
from app.server.runtime import Runtime
from app.store import View
from app.store.files.tools.old_copies import remove_old_copies
from app.store.matching import scan_all

POLL_INTERVAL_S = 0.25


@command("forget", needs_shop=True)
@click.argument("order_or_email")
@click.option("--settled", is_flag=True, help="What is due for the orders was settled elsewhere.")
def forget(runtime: Runtime, order_or_email: str, *, settled: bool) -> None:
    """Erase the customer of an order (id or number), or of all orders of an e-mail address.

    Name, e-mail, link and address go; numbers, dates, lines and amounts stay. An order that is
    under way is left, and named. On return the data folder has nothing of the customer any more.
    Exits with 1 when something was left, or nothing found.
    """
    runtime.start()
    try:
        found = find_orders(runtime.store, order_or_email)
    except NotFound:
        _finish(runtime)  # what a command that was killed has begun
        raise
    erasable = [each for each in found if _print_obstacle(runtime, each, settled)]
    erased = _erase(runtime, erasable, settled)
    is_finished = _finish(runtime)
    if erased and is_finished:
        click.echo("Nothing of what was erased is left in files, journal and mails.")
    sys.exit(0 if erased == len(found) and is_finished else 1)


@command("export-person", needs_shop=True)
@click.argument("email")
def export(runtime: Runtime, email: str) -> None:
    """Print all data about the customer with this e-mail address, as JSON.

    Nothing is changed. Read it before you give it out: it has every order that ever had the
    address, and names of staff.
    """
    person = export_person(runtime.open(), Mailbox(runtime.config.data / "mail"), email)
    click.echo(json.dumps(person, ensure_ascii=False, indent=2))


def _print_obstacle(runtime: Runtime, order: OrderKey, settled: bool) -> bool:
    """Whether the order's customer may be erased, or was before; prints why not."""
    try:
        with runtime.store.read() as view:
            find_erasure(view, order, is_settled=settled)
    except Conflict as error:
        click.echo(str(error), err=True)
        return False
    return True


def _erase(runtime: Runtime, orders: Sequence[OrderKey], settled: bool) -> int:
    """Erase the customers of these orders; returns of how many. Prints why one is left."""
    erased = 0
    for copy in remove_old_copies(runtime.config.data, [each.order_id for each in orders]):
        click.echo(f"{copy} was removed: it may have had this customer.")
    traces = find_traces(runtime.store, orders)
    forget = partial(forget_customer, traces=traces, by=COMMAND, is_settled=settled)
    for order in orders:
        try:
            is_new = runtime.store.run_in_transaction(partial(forget, order=order))
        except Conflict as error:  # something has happened to it meanwhile
            click.echo(str(error), err=True)
            continue
        erased += 1
        done = "was erased" if is_new else "had been erased before"
        click.echo(f"The customer of order {order.number} {done}.")
    return erased


def _finish(runtime: Runtime) -> bool:
    """Wait until mails are removed, and write the files anew; False when a removal has failed."""
    feed = runtime.store.change_feed(OUTBOX.name)
    waiting = [
        record["id"]
        for record in scan_all(runtime.store, OUTBOX)
        if record["event"]["type"] == CustomerForgotten.type
    ]
    while True:
        with runtime.store.read() as view:
            states = [_state_of(view, event_id) for event_id in waiting]
        if PENDING not in states:
            break
        feed.take(POLL_INTERVAL_S)
    runtime.checkpoint()
    if DEAD in states:
        click.echo("Mails could not be removed; `flask failures` says why.", err=True)
    return DEAD not in states


def _state_of(view: View, event_id: str) -> str:
    """The state of the delivery that removes the mails; done when the event is open no more."""
    record = view.get(OUTBOX.name, event_id)
    return str(record["deliveries"][HANDLER]["state"]) if record else DONE
