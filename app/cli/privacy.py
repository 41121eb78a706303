"""`flask forget` and `flask export-person`: erase a customer, and print a person's data."""

import json
import sys
from collections.abc import Sequence
from functools import partial

import click

from app.cli.command import command
from app.kernel.errors import Conflict, NotFound
from app.kernel.identity import COMMAND
from app.notification.mailbox import Mailbox
from app.notification.maildir import Maildir
from app.privacy.customers import OrderKey, find_orders
from app.privacy.erasure import find_erasure, find_traces, forget_customer
from app.privacy.export import export_person
from app.privacy.handlers import remove_mails
from app.server.runtime import Runtime
from app.store.files.tools.old_copies import remove_old_copies
from app.system.os_errors import cause_of


@command("forget", needs_shop=True)
@click.argument("order_or_email")
@click.option("--settled", is_flag=True, help="What is due for the orders was settled elsewhere.")
def forget(runtime: Runtime, order_or_email: str, *, settled: bool) -> None:
    """Erase the customer of an order (id or number), or of all orders of an e-mail address.

    Name, e-mail, link and address go; numbers, dates, lines and amounts stay. An order that is
    under way is left, and named. On return the data folder has nothing of the customer any more.
    Exits with 1 when something was left, or nothing found.
    """
    try:
        found = find_orders(runtime.store, order_or_email)
    except NotFound:
        if "@" in order_or_email:  # a page may have erased it from the orders
            _remove_old_copies(runtime, order_or_email)
        _finish(runtime)
        raise
    erasable = [each for each in found if _print_obstacle(runtime, each, settled)]
    _remove_old_copies(runtime, order_or_email, erasable)
    erased = _erase(runtime, erasable, settled)
    is_finished = _finish(runtime, erased)
    if erased and is_finished:
        click.echo("Nothing of what was erased is left in files, journal and mails.")
    sys.exit(0 if len(erased) == len(found) and is_finished else 1)


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


def _remove_old_copies(runtime: Runtime, name: str, orders: Sequence[OrderKey] = ()) -> None:
    """Remove copies that have one of the orders, or the address where `name` is one."""
    keys, address = [each.order_id for each in orders], name if "@" in name else ""
    for copy in remove_old_copies(runtime.config.data, keys, address):
        click.echo(f"{copy} was removed: it may have had this customer.")


def _erase(runtime: Runtime, orders: Sequence[OrderKey], settled: bool) -> list[OrderKey]:
    """Erase the customers of these orders; returns those erased. Prints why one is left."""
    erased = []
    traces = find_traces(runtime.store, orders)
    forget = partial(forget_customer, traces=traces, by=COMMAND, is_settled=settled)
    for order in orders:
        try:
            is_new = runtime.store.run_in_transaction(partial(forget, order=order))
        except Conflict as error:  # something has happened to it meanwhile
            click.echo(str(error), err=True)
            continue
        erased.append(order)
        done = "was erased" if is_new else "had been erased before"
        click.echo(f"The customer of order {order.number} {done}.")
    return erased


def _finish(runtime: Runtime, erased: Sequence[OrderKey] = ()) -> bool:
    """Remove mails, also those that a command which was killed has left; write the files anew.

    Prints why the mails cannot be removed, and returns False then.
    """
    cause = ""
    try:
        mails = Maildir(runtime.config.data / "mail")
        remove_mails(runtime.store, mails, [each.order_id for each in erased])
    except OSError as error:
        cause = cause_of(error)
        click.echo(f"Mails could not be removed ({cause}). The service tries it again.", err=True)
    runtime.checkpoint()
    return not cause
