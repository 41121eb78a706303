"""DAYBOOK_KEEP_DAYS: erases the customers of orders that ended so many days ago, once a day.

It works in short transactions, so that a request never waits long for one. Nothing is due any more
after that time: an order that was not paid, or not paid back, is taken as settled.
"""

import logging
from dataclasses import dataclass
from datetime import date, time, timedelta, tzinfo
from functools import partial
from typing import NamedTuple

from app.events.dispatch.jobs import Work
from app.events.outbox import TIMELINES
from app.http.requests import idempotency
from app.kernel import clock, shop_day
from app.kernel.errors import Conflict
from app.kernel.order_states import SENT, VOIDED
from app.kernel.personal_data import ERASED_NAME
from app.orders.documents import HISTORY, ORDERS
from app.orders.references import reference_of
from app.privacy.customers import OrderKey, find_deleted_order
from app.privacy.erasure import Traces, forget_customer
from app.store import Transaction

log = logging.getLogger(__name__)

BY = "daybook"
"""The name in the history of orders whose customers the job has erased."""

RETENTION_TIME = time(3)
"""The hour of the job in the shop's time zone: few orders come in at night."""

MAX_READ = 200
"""Orders that one transaction reads."""

MAX_ERASED = 5
"""Customers that one transaction erases: some milliseconds under the commit lock."""

_ENDED = frozenset({*SENT, *VOIDED})


class _Position(NamedTuple):
    """A position in a day's work, and the customers erased so far.

    First come the orders, after the cursor `order`, then the timelines of deleted ones, after
    `subject`, which is None at the end.
    """

    erased: int = 0
    order: str | None = None
    has_all_orders: bool = False
    subject: str | None = ""

    def after_orders(self, order: str | None, erased: int) -> "_Position":
        return _Position(self.erased + erased, order, has_all_orders=order is None)

    def after_subject(self, subject: str | None, erased: int) -> "_Position":
        return _Position(self.erased + erased, None, True, subject)


@dataclass(eq=False)
class Retention:
    """The work of the job, part by part. `keep_days` are counted from the order's last change.

    After a restart the day's work begins again, and finds less.
    """

    keep_days: int
    zone: tzinfo
    max_read: int = MAX_READ
    max_erased: int = MAX_ERASED

    def run(self, tx: Transaction, day: str) -> Work | None:
        """Do the first part of a day's work; returns the next one."""
        return self._run_part(_Position(), tx, day)

    def _run_part(self, position: _Position, tx: Transaction, day: str) -> Work | None:
        begin = date.fromisoformat(day) - timedelta(days=self.keep_days)
        until, _ = shop_day.bounds(begin, self.zone)
        if not idempotency.delete_expired(tx):
            erase = self._erase_deleted if position.has_all_orders else self._erase_ended
            position = erase(tx, until, position)
        if position.subject is not None:
            return partial(self._run_part, position)
        log.info("DAYBOOK_KEEP_DAYS: the customers of %d orders were erased", position.erased)
        return None

    def _erase_ended(self, tx: Transaction, until: str, position: _Position) -> _Position:
        """Erase from the next orders that have ended."""
        find = partial(tx.find, ORDERS.name, {"status": _ENDED}, high=until, after=position.order)
        page, erased = find(limit=self.max_read), 0
        for number, order in enumerate(page.documents, 1):
            is_erased = order["customer_name"] == ERASED_NAME and "link" not in order
            if not is_erased and order["order_update"] < until:
                reference = reference_of(HISTORY.read_all(tx, order))
                erased += _erase(tx, OrderKey(order["order_id"], order["number"]), reference)
            if erased == self.max_erased:
                page = find(limit=number)
                break
        return position.after_orders(page.next, erased)

    def _erase_deleted(self, tx: Transaction, until: str, position: _Position) -> _Position:
        """Erase from the next orders that were deleted."""
        timelines = tx.scan(TIMELINES.name, position.subject or "", self.max_read)
        erased = 0
        for timeline in timelines:
            if key := find_deleted_order(tx, timeline["subject"], until):
                erased += _erase(tx, key)
            if erased == self.max_erased:
                return position.after_subject(timeline["subject"], erased)
        has_more = len(timelines) == self.max_read
        return position.after_subject(timelines[-1]["subject"] if has_more else None, erased)


def _erase(tx: Transaction, key: OrderKey, reference: str | None = None) -> bool:
    """Erase a customer; whether that was done now. False while the order is under way."""
    traces = Traces({key.order_id: [reference]} if reference else {}, since=clock.now())
    try:
        return forget_customer(tx, key, traces, BY, is_settled=True)
    except Conflict:
        return False
