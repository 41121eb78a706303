"""DAYBOOK_KEEP_DAYS: erases the customers of orders that ended so many days ago, once a day.

It works in short transactions, so that a request never waits long for one. Nothing is due any more
after that time: an order that was not paid, or not paid back, is taken as settled.
"""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, time, timedelta, tzinfo
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

from app.events.dispatch.jobs import Work
from app.events.outbox import TIMELINES
from app.kernel import clock, shop_day
from app.kernel.errors import Conflict
from app.kernel.order_states import SENT, VOIDED
from app.kernel.personal_data import ERASED_NAME
from app.orders.documents import HISTORY, ORDERS, REFERENCES
from app.orders.references import reference_of
from app.privacy.customers import OrderKey, find_deleted_order
from app.privacy.erasure import Traces, find_erasure, forget_customer
from app.store import Transaction, View

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
    """Where the next part of a day's work begins: in which step, and after which key or cursor.

    A step that returns None as `after` is finished. `erased` counts customers. `deleted` are
    deleted orders that still have a customer, `references` those that they have, by order id.
    """

    step: int = 0
    after: str | None = None
    erased: int = 0
    deleted: tuple[OrderKey, ...] = ()
    references: Mapping[str, Sequence[str]] = MappingProxyType({})


@dataclass(frozen=True)
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
        steps = self._erase_ended, self._find_deleted, self._find_references, self._erase_deleted
        position = steps[position.step](tx, until, position)
        if position.after is None:
            position = position._replace(step=position.step + 1)
        if position.step < len(steps):
            return partial(self._run_part, position)
        log.info("DAYBOOK_KEEP_DAYS: the customers of %d orders were erased", position.erased)
        return None

    def _erase_ended(self, tx: Transaction, until: str, position: _Position) -> _Position:
        """Erase from the next orders that have ended."""
        find = partial(tx.find, ORDERS.name, {"status": _ENDED}, high=until, after=position.after)
        page, erased = find(limit=self.max_read), 0
        for number, order in enumerate(page.documents, 1):
            is_erased = order["customer_name"] == ERASED_NAME and "link" not in order
            if not is_erased and order["order_update"] < until:
                reference = reference_of(HISTORY.read_all(tx, order))
                key = OrderKey(order["order_id"], order["number"])
                erased += _erase(tx, key, [reference] if reference else [])
            if erased == self.max_erased:
                page = find(limit=number)
                break
        return position._replace(after=page.next, erased=position.erased + erased)

    def _find_deleted(self, tx: Transaction, until: str, position: _Position) -> _Position:
        """Find which of the next orders were deleted and still have a customer."""
        timelines = tx.scan(TIMELINES.name, position.after or "", self.max_read)
        found = (find_deleted_order(tx, each["subject"], until) for each in timelines)
        deleted = [key for key in found if key and _has_customer(tx, key)]
        after = timelines[-1]["subject"] if len(timelines) == self.max_read else None
        return position._replace(after=after, deleted=(*position.deleted, *deleted))

    def _find_references(self, tx: Transaction, _until: str, position: _Position) -> _Position:
        """Find those of the deleted orders among the next references: no index has them."""
        if not position.deleted:
            return position
        references = tx.scan(REFERENCES.name, position.after or "", self.max_read)
        found = dict(position.references)
        deleted = {key.order_id for key in position.deleted}
        for each in references:
            if (order_id := each["order_id"]) in deleted:
                found[order_id] = [*found.get(order_id, ()), each["reference"]]
        after = references[-1]["reference"] if len(references) == self.max_read else None
        return position._replace(after=after, references=found)

    def _erase_deleted(self, tx: Transaction, _until: str, position: _Position) -> _Position:
        """Erase from the next deleted orders."""
        keys, left = position.deleted[: self.max_erased], position.deleted[self.max_erased :]
        erased = sum(_erase(tx, key, position.references.get(key.order_id, ())) for key in keys)
        return position._replace(
            after="" if left else None, erased=position.erased + erased, deleted=left
        )


def _has_customer(view: View, key: OrderKey) -> bool:
    """Whether there is a customer to erase; False while the order is under way."""
    with suppress(Conflict):
        return find_erasure(view, key, is_settled=True) is not None
    return False


def _erase(tx: Transaction, key: OrderKey, references: Sequence[str]) -> bool:
    """Erase a customer; whether that was done now. False while the order is under way."""
    traces = Traces({key.order_id: list(references)}, since=clock.now())
    with suppress(Conflict):
        return forget_customer(tx, key, traces, BY, is_settled=True)
    return False
