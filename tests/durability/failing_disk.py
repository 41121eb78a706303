"""A disk on which one call fails, and a clerk who writes to it and records each outcome."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

from app.kernel.errors import StorageFull, Unavailable
from app.store import Document
from app.store.files.checkpointer import Checkpointer
from app.store.files.store import JsonFileStore
from tests.durability.disk import WRITE, Step
from tests.store.shop import COLLECTIONS, note, order
from tests.transactions import transaction

SHORT = "short write"
PART = "no room after a part"
KINDS = ("EIO", "ENOSPC", "EDQUOT", "EROFS", "EMFILE", SHORT, PART)

ORDERS = 14
MAX_ATTEMPTS = 5

Before = Callable[[Step], int | None]


def failing_at(number: int, kind: str) -> Before:
    """A `before` that fails the call of that number once."""

    def before(step: Step) -> int | None:
        if kind in (SHORT, PART) and step.number == number and step.call == WRITE:
            return 1
        if kind == PART and step.number == number + 1 and step.call == WRITE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if kind not in (SHORT, PART) and step.number == number:
            code = getattr(errno, kind)
            raise OSError(code, os.strerror(code))
        return None

    return before


class Died(BaseException):
    """Stands for the death of the process; a BaseException, so that the store does not catch it."""


class Mortal:
    """A `before` that raises Died from the call of that number on, until `revive`."""

    def __init__(self, number: int) -> None:
        self._number: int | None = number

    def __call__(self, step: Step) -> None:
        if self._number is not None and step.number >= self._number:
            raise Died

    def revive(self) -> None:
        """Let the calls of the next process pass."""
        self._number = None


class Clerk:
    """Puts pairs of documents into a store, and continues after errors."""

    def __init__(self, data: Path, name: str = "order") -> None:
        """The documents are called `name`-00, `name`-01 and on."""
        self._data = data
        self._name = name
        self.kept: set[str] = set()
        self.refused: set[str] = set()
        self.unknown: set[str] = set()
        self.failures = 0
        self.store = self._opened()

    def work(self) -> None:
        """Fourteen transactions, three checkpoints and a restart."""
        for number in range(ORDERS):
            self._place(f"{self._name}-{number:02}")
            if number in (3, 7, 11):
                self._checkpoint()
            if number == 9:
                self.store.close()
                self.store = self._opened()

    def problems(self, found: dict[str, Document]) -> list[str]:
        """Describe each difference between the orders found and those acknowledged."""
        problems = []
        if lost := self.kept - found.keys():
            problems.append(f"acknowledged and lost: {sorted(lost)}")
        if ghosts := self.refused & found.keys():
            problems.append(f"refused as unchanged, but kept: {sorted(ghosts)}")
        return problems

    def _place(self, order_id: str) -> None:
        try:
            with transaction(self.store) as tx:
                tx.put("orders", order(order_id, number=tx.next_number("orders")))
                note(tx, order_id)
        except StorageFull:
            self.failures += 1
            self.refused.add(order_id)
        except Unavailable:
            self.failures += 1
            self.unknown.add(order_id)
        else:
            self.kept.add(order_id)

    def _checkpoint(self) -> None:
        try:
            Checkpointer(self.store).checkpoint()
        except Unavailable:
            self.failures += 1

    def _opened(self) -> JsonFileStore:
        for _ in range(MAX_ATTEMPTS):
            try:
                return JsonFileStore(self._data, COLLECTIONS)
            except Unavailable:
                self.failures += 1
        return JsonFileStore(self._data, COLLECTIONS)
