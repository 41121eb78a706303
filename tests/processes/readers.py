"""Readers of a bookshop: clients that order, change their minds and get parcels, and keep a book.

What a client writes into its book, it has an answer for. So at the end the book tells what the shop
has to hold, whatever was killed meanwhile.
"""

import json
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from http.client import HTTPConnection, HTTPException
from random import Random
from time import monotonic, sleep
from typing import Any

from standardwebhooks import Webhook

from tests.processes.servers import PATIENCE_S, Server

CARRIER_SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
METHODS = 16 * ["approve"] + 2 * ["decline"] + ["timeout"]
PATCH = {"Content-Type": "application/merge-patch+json"}

Shelf = dict[str, Decimal]
"""The sku of each book, and its price."""


@dataclass
class Bought:
    """An order as its client knows it; `told` counts the events that the answers promise."""

    order_id: str
    number: int
    method: str
    lines: Counter[str]
    state: str = "open"
    was_sent: bool = False
    told: Counter[str] = field(default_factory=lambda: Counter({"order.placed": 1}))

    def total(self, shelf: Shelf) -> Decimal:
        return sum((n * shelf[sku] for sku, n in self.lines.items()), Decimal())


class Reader:
    """One client, which places `orders` orders and does something else after each of them.

    `did` counts what it did, and what was refused.
    """

    def __init__(self, name: str, server: Server, shelf: Shelf, orders: int) -> None:
        self.bought: list[Bought] = []
        self.delivered: Counter[str] = Counter()
        self.did: Counter[str] = Counter()
        self._name, self._shelf, self._orders = name, shelf, orders
        self._random = Random(name)
        self._connection = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
        self._keys = 0

    def run(self) -> None:
        """The reader's day."""
        with closing(self._connection):
            for _ in range(self._orders):
                self._place()
                for _ in range(self._random.randint(1, 3)):
                    self._do_something()

    def _do_something(self) -> None:
        """Mostly with one of its open orders, which may be the one that was placed just now."""
        deeds: list[Callable[[Bought], None]] = [
            *(4 * [self._ship] + 3 * [self._change] + [self._cancel, self._delete])
        ]
        if self._random.random() < 0.25:
            self._random.choice([self._restock, self._reprice])(self._some_book())
            return
        if self._random.random() < 0.25:
            self._deliver()
            return
        known = [each for each in self.bought if each.state == "open"]
        if known:
            self._random.choice(deeds)(self._random.choice(known))

    def _place(self) -> None:
        """Order until it is taken; what the shelf is short of, the publisher delivers."""
        lines, method = self._some_lines(), self._random.choice(METHODS)
        request = {
            "customer_name": self._name,
            "customer_email": "reader@example.com",
            "payment_method": method,
            "items": self._as_items(lines),
        }
        while True:
            status, order, _ = self._ask("POST", "/order", request, self._key())
            if status == 201:
                break
            assert status == 409, (status, order)
            self.did["refused for stock"] += 1
            for short in order["short"]:
                self._restock(short["product"])
        bought = Bought(order["order_id"], order["number"], method, lines)
        assert Decimal(order["total_amount"]) == bought.total(self._shelf)
        self.bought.append(bought)

    def _change(self, bought: Bought) -> None:
        lines = self._some_lines()
        if lines == bought.lines:
            return
        wanted = {"items": self._as_items(lines)}
        status, order, _ = self._ask("PATCH", f"/order/{bought.number}", wanted, PATCH)
        if self._was_refused("change", bought, status, order):
            return
        bought.lines = lines
        bought.told["order.updated"] += 1

    def _cancel(self, bought: Bought) -> None:
        status, order, _ = self._ask("POST", f"/order/{bought.number}/cancel", {})
        if self._was_refused("cancel", bought, status, order):
            return
        # the shop itself may have cancelled it before: a change that found the shelf short
        bought.state = "cancelled"
        bought.told["order.cancelled"] += 1

    def _delete(self, bought: Bought) -> None:
        status, answer, repeated = self._ask("DELETE", f"/order/{bought.order_id}")
        # 404 tells that the request which got no answer had been carried out
        assert status == 200 or (status == 404 and repeated), (status, answer)
        self.did["delete"] += 1
        bought.state = "deleted"
        bought.told["order.deleted"] += 1

    def _ship(self, bought: Bought) -> None:
        parcel = {"carrier": "DHL", "tracking_number": f"T{bought.number}"}
        path = f"/shipment/{bought.number}/ship"
        status, shipment, _ = self._ask("POST", path, parcel, self._key())
        if status == 404:
            self.did["not ready to ship"] += 1
            return
        if self._was_refused("ship", bought, status, shipment):
            return
        sent = Counter({line["product"]: line["quantity"] for line in shipment["lines"]})
        assert sent == bought.lines
        bought.state, bought.was_sent = "shipped", True
        bought.told["order.fulfilled"] += 1

    def _deliver(self) -> None:
        """The carrier calls back; some readers try to be rid of the order that is on its way."""
        on_the_way = [each for each in self.bought if each.state == "shipped"]
        if not on_the_way:
            return
        bought = self._random.choice(on_the_way)
        if self._random.random() < 0.1:
            status, answer, _ = self._ask("DELETE", f"/order/{bought.order_id}")
            assert (status, answer["order_status"]) == (409, "shipped"), answer
            self.did["delete refused"] += 1
            return
        body = {"tracking_number": f"T{bought.number}"}
        at = datetime.now(UTC)
        signature = Webhook(CARRIER_SECRET).sign(bought.order_id, at, json.dumps(body))
        headers = {
            "webhook-id": bought.order_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": signature,
        }
        path = f"/shipment/{bought.order_id}/delivered"
        status, answer, _ = self._ask("POST", path, body, headers)
        assert status == 200, answer
        self.did["deliver"] += 1
        bought.state = "delivered"
        bought.told["order.delivered"] += 1

    def _restock(self, sku: str) -> None:
        more = self._random.randint(1, 12)
        wanted = {"change": more, "reason": "delivery"}
        status, product, _ = self._ask("POST", f"/product/{sku}/stock", wanted, self._key())
        assert status == 200, product
        self.did["restock"] += 1
        self.delivered[sku] += more

    def _reprice(self, sku: str) -> None:
        """A new price in the catalogue; orders of this test name the price that they were told."""
        wanted = {"price": f"{self._random.randint(5, 60)}.00"}
        status, product, _ = self._ask("PATCH", f"/product/{sku}", wanted, PATCH)
        assert status == 200, product
        self.did["reprice"] += 1

    def _was_refused(self, what: str, bought: Bought, status: int, answer: Any) -> bool:
        """Whether it was too late, or stock was short; anything else but 200 is an error."""
        assert status in (200, 409), (what, bought, status, answer)
        self.did[what if status == 200 else f"{what} refused"] += 1
        return status == 409

    def _some_book(self) -> str:
        return self._random.choice(sorted(self._shelf))

    def _some_lines(self) -> Counter[str]:
        skus = self._random.sample(sorted(self._shelf), self._random.randint(1, 4))
        return Counter({sku: self._random.randint(1, 4) for sku in skus})

    def _as_items(self, lines: Counter[str]) -> list[dict[str, Any]]:
        return [
            {"product": sku, "quantity": n, "amount": str(self._shelf[sku])}
            for sku, n in lines.items()
        ]

    def _key(self) -> dict[str, str]:
        self._keys += 1
        return {"Idempotency-Key": f"{self._name}-{self._keys}"}

    def _ask(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any, bool]:
        """Ask until there is an answer: status, document, and whether it was asked repeatedly."""
        content = None if body is None else json.dumps(body)
        own = {} if body is None else {"Content-Type": "application/json"}
        deadline, repeated = monotonic() + PATIENCE_S, False
        while True:
            try:
                self._connection.request(method, path, content, own | (headers or {}))
                answer = self._connection.getresponse()
                document = json.loads(answer.read())
                if answer.status != 503:
                    return answer.status, document, repeated
            except (OSError, HTTPException):
                self._connection.close()
            assert monotonic() < deadline, f"no answer to {method} {path}"
            repeated = True
            sleep(0.02)
