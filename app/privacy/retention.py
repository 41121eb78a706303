"""DAYBOOK_KEEP_DAYS: erases the customers of orders that ended so many days ago, once a day.

It works in short transactions, so that a request never waits long for one. Nothing is due any more
after that time: an order that was not paid, or not paid back, is taken as settled.
"""

import logging
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, time, timedelta, tzinfo
from functools import partial

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


@dataclass(eq=False)
class Retention:
    """The work of the job, part by part. `keep_days` are counted from the order's last change.

    The position is in memory only: after a restart the day's work begins again, and finds less.
    """

    keep_days: int
    zone: tzinfo
    max_read: int = MAX_READ
    max_erased: int = MAX_ERASED
    _order: str | None = field(default=None, init=False)
    _subject: str = field(default="", init=False)
    _has_all_orders: bool = field(default=False, init=False)
    _count: int = field(default=0, init=False)

    def run(self, tx: Transaction, day: str) -> bool:
        """Do the next part of a day's work; whether there is more."""
        begin = date.fromisoformat(day) - timedelta(days=self.keep_days)
        until, _ = shop_day.bounds(begin, self.zone)
        if idempotency.delete_expired(tx):
            return True
        if not self._has_all_orders:
            self._order = self._erase_ended(tx, until)
            self._has_all_orders = self._order is None
            return True
        if self._erase_deleted(tx, until):
            return True
        log.info("DAYBOOK_KEEP_DAYS: the customers of %d orders were erased", self._count)
        self._subject, self._has_all_orders, self._count = "", False, 0
        return False

    def _erase_ended(self, tx: Transaction, until: str) -> str | None:
        """Erase from the next orders that have ended; returns the position after them."""
        find = partial(tx.find, ORDERS.name, {"status": _ENDED}, high=until, after=self._order)
        page, limit = find(limit=self.max_read), self._count + self.max_erased
        for position, order in enumerate(page.documents, 1):
            is_erased = order["customer_name"] == ERASED_NAME and "link" not in order
            if not is_erased and order["order_update"] < until:
                reference = reference_of(HISTORY.read_all(tx, order))
                self._erase(tx, OrderKey(order["order_id"], order["number"]), reference)
            if self._count == limit:
                return find(limit=position).next
        return page.next

    def _erase_deleted(self, tx: Transaction, until: str) -> bool:
        """Erase from the next orders that were deleted; whether there may be more."""
        timelines = tx.scan(TIMELINES.name, self._subject, self.max_read)
        limit = self._count + self.max_erased
        for timeline in timelines:
            self._subject = timeline["subject"]
            if key := find_deleted_order(tx, self._subject, until):
                self._erase(tx, key)
            if self._count == limit:
                return True
        return len(timelines) == self.max_read

    def _erase(self, tx: Transaction, key: OrderKey, reference: str | None = None) -> None:
        traces = Traces({key.order_id: [reference]} if reference else {}, since=clock.now())
        with suppress(Conflict):  # it is under way still; another day
            self._count += forget_customer(tx, key, traces, BY, is_settled=True)
