"""The outcome of a full flow: read from a service's own data, and checked.

An order is finished when it is confirmed and paid, with one invoice, one payment and one mail.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.sql import SQL, Identifier
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bench.clients import timestamp, wait_until
from bench.peers.documents import Document
from bench.peers.fulfilment import Invoice, Payment
from bench.peers.sqlalchemy_tables import Order, open_database
from bench.servers import Instance

CONFIRMED = Order.status == "confirmed"
PAID = Order.payment_status == "paid"
MAIL_SUBJECT = "Subject: Your order "
_READ = ("orders", "invoices")
_SELECT = SQL("SELECT document FROM daybook.{}")


class FlowUnfinished(Exception):
    """A run left an order unfinished, or did a part of one twice; the message names the part."""


@dataclass(frozen=True)
class Outcome:
    """The orders of a service by number, with when each was placed and last changed (Unix seconds).

    The lists have an order's number as often as the order was confirmed and paid, has an invoice,
    and has a payment; `mails` have the time of their file besides.
    """

    placed_at: dict[int, float]
    changed_at: dict[int, float]
    paid: list[int]
    invoices: list[int]
    payments: list[int]
    mails: list[tuple[int, float]]

    def check(self, orders: int) -> None:
        """Raise FlowUnfinished unless there are `orders` orders, each finished exactly once."""
        mails = [number for number, _ in self.mails]
        parts = {"confirmed and paid": self.paid, "invoices": self.invoices}
        parts |= {"payments": self.payments, "mails": mails}
        for part, numbers in parts.items():
            if len(numbers) != orders or sorted(numbers) != sorted(self.placed_at):
                raise FlowUnfinished(
                    f"{orders} orders were acknowledged; {part}: {len(numbers)}, "
                    f"of {len(set(numbers))} orders"
                )

    def per_second(self, warm_up: int) -> float:
        """Return the rate from the first order after `warm_up` ones to the last change or mail."""
        counted = sorted(self.placed_at)[warm_up:]
        began = min(self.placed_at[number] for number in counted)
        ended = max(*self.changed_at.values(), *(written_at for _, written_at in self.mails))
        return len(counted) / (ended - began)


def daybook_outcome(instance: Instance) -> Outcome:
    """Read Daybook's readable files, which must be up to date."""
    orders, invoices = (_in_file(instance.data / f"{name}.json") for name in _READ)
    return _outcome(orders, invoices, _mails(instance.data))


def daybook_database_outcome(instance: Instance) -> Outcome:
    """Read Daybook's PostgreSQL, and the mails of all its machines."""
    with psycopg.connect(instance.environment["DAYBOOK_STORE"]) as connection:
        orders, invoices = (
            [document for (document,) in connection.execute(_SELECT.format(Identifier(name)))]
            for name in _READ
        )
    mails = [mail for data in instance.folder.iterdir() if data.is_dir() for mail in _mails(data)]
    return _outcome(orders, invoices, mails)


def _outcome(
    orders: list[Document], invoices: list[Document], mails: list[tuple[int, float]]
) -> Outcome:
    return Outcome(
        {order["number"]: timestamp(order["order_date"]) for order in orders},
        {order["number"]: timestamp(order["order_update"]) for order in orders},
        [
            order["number"]
            for order in orders
            if (order["status"], order["payment_status"]) == ("confirmed", "paid")
        ],
        [invoice["order_number"] for invoice in invoices],
        [
            invoice["order_number"]
            for invoice in invoices
            for payment in invoice["payments"]
            if payment["state"] == "done"
        ],
        mails,
    )


def peer_outcome(instance: Instance) -> Outcome:
    """Read a peer's database and its mails."""
    with _session(instance) as session:
        orders = session.scalars(select(Order)).all()
        return Outcome(
            {order.number: timestamp(order.order_date) for order in orders},
            {order.number: timestamp(order.order_update) for order in orders},
            list(session.scalars(select(Order.number).where(CONFIRMED, PAID))),
            list(session.scalars(select(Invoice.order_number))),
            list(session.scalars(select(Payment.order_number))),
            _mails(instance.data),
        )


def wait_until_finished(instance: Instance, orders: int) -> None:
    """Wait until `orders` orders of a peer are finished. Raises TimeoutError."""
    with _session(instance) as session:

        def is_finished() -> bool:
            finished = session.scalar(select(func.count()).where(CONFIRMED, PAID))
            session.rollback()  # the next query sees what was committed since
            return finished == orders and len(_mail_files(instance.data)) == orders

        wait_until(is_finished)


@contextmanager
def _session(instance: Instance) -> Iterator[Session]:
    engine = open_database(instance.data, instance.environment.get("PEER_DATABASE"))
    with Session(engine) as session:
        yield session
    engine.dispose()


def _in_file(file: Path) -> list[Document]:
    documents: list[Document] = json.loads(file.read_bytes())
    return documents


def _mails(data: Path) -> list[tuple[int, float]]:
    """Return the order number and the time of each mail in a data folder."""
    mails = []
    for file in _mail_files(data):
        _, _, rest = file.read_text("utf-8").partition(MAIL_SUBJECT)
        mails.append((int(rest.partition("\n")[0]), file.stat().st_mtime))
    return mails


def _mail_files(data: Path) -> list[Path]:
    return list(data.glob("mail/new/*"))
