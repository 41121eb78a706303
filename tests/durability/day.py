"""A day in the shop: about fifty operations, always the same, through the real application.

The orders after each operation are known (`orders_after`), so a process that dies in operation k
must leave the orders of k or of k + 1.
"""

from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any, NamedTuple

from flask.testing import FlaskClient

from app import create_app
from app.config import Config
from app.events.outbox import OUTBOX, PENDING, timeline
from app.inventory.service import add_product
from app.server.runtime import Runtime
from app.store import View
from app.store.files.checkpointer import Checkpointer
from tests.transactions import transaction

FIRST_NUMBER = 1001
STOCK = 10_000
SKUS = ("tea", "mug", "pot")
PATIENCE_S = 120.0

PLACE, CHANGE, CANCEL, DELETE = "place", "change", "cancel", "delete"
BREAK, MEND, REPLAY, DELIVER = "break", "mend", "replay", "deliver"
CHECKPOINT, RESTART, OPEN = "checkpoint", "restart", "open"

ACCEPTED = (200, 201, 202)
Orders = dict[int, dict[str, Any]]
"""By order number: its lines, and whether it was cancelled."""


_DESCRIPTIONS = {DELIVER: "deliveries", BREAK: "a broken billing", MEND: "a mended billing"}


class Operation(NamedTuple):
    """One operation of the day; `number` is the order's."""

    what: str
    number: int = 0
    lines: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        return (
            f"{self.what} order {self.number}"
            if self.number
            else _DESCRIPTIONS.get(self.what, self.what)
        )


class Refused(Exception):
    """The response is not 2xx."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


def a_day() -> tuple[Operation, ...]:
    """Orders, changes, ends, deliveries, a failure and its replay, checkpoints, a restart."""
    return tuple(_a_day())


def _a_day() -> Iterator[Operation]:
    yield Operation(OPEN)
    numbers = iter(range(FIRST_NUMBER, FIRST_NUMBER + 100))
    for morning in range(3):
        first, second, third, fourth = (next(numbers) for _ in range(4))
        yield _place(first, tea=1)
        yield _place(second, tea=2, mug=1)
        yield Operation(DELIVER)
        yield _change(first, mug=3)
        yield _place(third, pot=1)
        yield Operation(CHECKPOINT)
        yield Operation(CANCEL, second)
        yield Operation(DELIVER)
        if morning == 1:
            yield Operation(BREAK)
        yield _place(fourth, pot=2, tea=4)
        yield _change(third, tea=1, mug=1)
        yield Operation(DELIVER)
        yield Operation(CHECKPOINT)
        if morning == 1:
            yield Operation(MEND)
            yield Operation(REPLAY)
            yield Operation(DELIVER)
        yield Operation(DELETE, first)
        yield _change(fourth, pot=1)
        if morning == 2:
            yield Operation(RESTART)
            yield _place(next(numbers), tea=1)
            yield Operation(DELIVER)
            yield Operation(CHECKPOINT)


def orders_after(operations: tuple[Operation, ...]) -> Orders:
    """The orders after these operations, once all events are delivered."""
    orders: Orders = {}
    for what, number, lines in operations:
        if what in (PLACE, CHANGE):
            orders[number] = {"lines": dict(lines), "cancelled": False}
        elif what == CANCEL:
            orders[number] = orders[number] | {"cancelled": True}
        elif what == DELETE:
            del orders[number]
    return orders


class Shop:
    """The application on a data folder, in this process. Close it."""

    def __init__(self, data: Path) -> None:
        """Opens nothing yet."""
        self._config = Config(
            data=data, retry_attempts=2, retry_wait=0.001, faults=True, lock_timeout=5.0
        )
        self._open()

    def do(self, operation: Operation) -> Any:
        """Do one operation; returns its answer, if it has one, once it is acknowledged.

        Raises Refused or DaybookError.
        """
        what, number, lines = operation
        items = [{"product": sku, "quantity": quantity} for sku, quantity in lines]
        key = {"Idempotency-Key": f"order-{number}"}
        match what:
            case "open":
                self._add_products()
            case "place":
                body = {"customer_name": "Ann", "customer_email": "a@example.com", "items": items}
                answer = self._send("POST", "/order", body, key)
                assert answer["number"] == number, "a number was used twice, or left out"
                return answer
            case "change":
                return self._send("PATCH", f"/order/{number}", {"items": items})
            case "cancel":
                return self._send("POST", f"/order/{number}/cancel")
            case "delete":
                return self._send("DELETE", f"/order/{number}", gone=True)
            case "break":
                self._send("PUT", "/fault/billing", {"mode": "reject"})
            case "mend":
                self._send("DELETE", "/fault/billing", gone=True)
            case "replay":
                self._send("POST", "/failure/replay", {"all": True})
            case "checkpoint":
                Checkpointer(self.runtime.open_files()).checkpoint()
            case "restart":
                self.close()
                self._open()
            case _:
                self.deliver_all()
        return None

    def deliver_all(self) -> None:
        """Wait until every event reached its handlers, or waits behind a failure."""
        self.runtime.start()
        deadline = monotonic() + PATIENCE_S
        while undelivered := self._undelivered():
            assert monotonic() < deadline, f"still undelivered: {undelivered[:5]}"
            sleep(0.001)

    def close(self) -> None:
        self.runtime.close()

    def _open(self) -> None:
        app = create_app(self._config)
        self.client: FlaskClient = app.test_client()
        self.runtime: Runtime = app.extensions["daybook"]

    def _add_products(self) -> None:
        with transaction(self.runtime.store) as tx:
            for sku in SKUS:
                add_product(tx, {"sku": sku, "name": sku, "price": "4.50", "quantity": STOCK})

    def _send(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: dict[str, str] | None = None,
        *,
        gone: bool = False,
    ) -> Any:
        """The answer's document; with `gone`, 404 will do, as when it is done a second time."""
        answer = self.client.open(path, method=method, json=body, headers=headers)
        if answer.status_code not in ACCEPTED and not (gone and answer.status_code == 404):
            raise Refused(answer.status_code, answer.text)
        return answer.get_json(force=True)

    def _undelivered(self) -> list[tuple[str, str]]:
        with self.runtime.store.read() as view:
            return list(_pending(view))


def _pending(view: View) -> Iterator[tuple[str, str]]:
    subjects = {record["event"]["subject"] for record in view.find(OUTBOX.name).documents}
    for subject in subjects:
        for record in timeline(view, subject):
            for handler, delivery in record["deliveries"].items():
                if delivery["state"] == PENDING:
                    yield record["id"], handler


def _place(number: int, **lines: int) -> Operation:
    return Operation(PLACE, number, tuple(lines.items()))


def _change(number: int, **lines: int) -> Operation:
    return Operation(CHANGE, number, tuple(lines.items()))
