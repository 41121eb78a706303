"""Clients of a bookshop that order, change, cancel and receive books, and record each response.

A client records only what was acknowledged. Its records therefore say what the shop has to hold in
the end, whatever was killed meanwhile.
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

Prices = dict[str, Decimal]
"""The price of each book by sku."""


@dataclass
class Bought:
    """An order as its client knows it; `events` counts the events that the responses promise."""

    order_id: str
    number: int
    method: str
    lines: Counter[str]
    state: str = "open"
    was_sent: bool = False
    events: Counter[str] = field(default_factory=lambda: Counter({"order.placed": 1}))

    def total(self, prices: Prices) -> Decimal:
        return sum((n * prices[sku] for sku, n in self.lines.items()), Decimal())


class Reader:
    """A client that places `orders` orders, with one to three random actions after each.

    `did` counts its actions, and those that were refused.
    """

    def __init__(self, name: str, server: Server, prices: Prices, orders: int) -> None:
        self.bought: list[Bought] = []
        self.delivered: Counter[str] = Counter()
        self.did: Counter[str] = Counter()
        self._name, self._prices, self._orders = name, prices, orders
        self._random = Random(name)
        self._connection = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
        self._keys = 0

    def run(self) -> None:
        """Place the orders and do the actions."""
        with closing(self._connection):
            for _ in range(self._orders):
                self._place()
                for _ in range(self._random.randint(1, 3)):
                    self._act()

    def _act(self) -> None:
        """Do one random action, mostly on one of its open orders."""
        actions: list[Callable[[Bought], None]] = [
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
            self._random.choice(actions)(self._random.choice(known))

    def _place(self) -> None:
        """Order, and restock what is short until the order is accepted."""
        lines, method = self._some_lines(), self._random.choice(METHODS)
        request = {
            "customer_name": self._name,
            "customer_email": "reader@example.com",
            "payment_method": method,
            "items": self._as_items(lines),
        }
        while True:
            status, order, _ = self._send("POST", "/order", request, self._key())
            if status == 201:
                break
            assert status == 409, (status, order)
            self.did["refused for stock"] += 1
            for short in order["short"]:
                self._restock(short["product"])
        bought = Bought(order["order_id"], order["number"], method, lines)
        assert Decimal(order["total_amount"]) == bought.total(self._prices)
        self.bought.append(bought)

    def _change(self, bought: Bought) -> None:
        lines = self._some_lines()
        if lines == bought.lines:
            return
        wanted = {"items": self._as_items(lines)}
        status, order, _ = self._send("PATCH", f"/order/{bought.number}", wanted, PATCH)
        if self._was_refused("change", bought, status, order):
            return
        bought.lines = lines
        bought.events["order.updated"] += 1

    def _cancel(self, bought: Bought) -> None:
        status, order, _ = self._send("POST", f"/order/{bought.number}/cancel", {})
        if self._was_refused("cancel", bought, status, order):
            return
        # the shop may have cancelled it before, after a change for which stock was short
        bought.state = "cancelled"
        bought.events["order.cancelled"] += 1

    def _delete(self, bought: Bought) -> None:
        status, answer, repeated = self._send("DELETE", f"/order/{bought.order_id}")
        # a 404 after a repeat: the request without a response had been carried out
        assert status == 200 or (status == 404 and repeated), (status, answer)
        self.did["delete"] += 1
        bought.state = "deleted"
        bought.events["order.deleted"] += 1

    def _ship(self, bought: Bought) -> None:
        parcel = {"carrier": "DHL", "tracking_number": f"T{bought.number}"}
        path = f"/shipment/{bought.number}/ship"
        status, shipment, _ = self._send("POST", path, parcel, self._key())
        if status == 404:
            self.did["not ready to ship"] += 1
            return
        if self._was_refused("ship", bought, status, shipment):
            return
        sent = Counter({line["product"]: line["quantity"] for line in shipment["lines"]})
        assert sent == bought.lines
        bought.state, bought.was_sent = "shipped", True
        bought.events["order.fulfilled"] += 1

    def _deliver(self) -> None:
        """Send the carrier's callback for a shipped order, or try in vain to delete the order."""
        on_the_way = [each for each in self.bought if each.state == "shipped"]
        if not on_the_way:
            return
        bought = self._random.choice(on_the_way)
        if self._random.random() < 0.1:
            status, answer, _ = self._send("DELETE", f"/order/{bought.order_id}")
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
        status, answer, _ = self._send("POST", path, body, headers)
        assert status == 200, answer
        self.did["deliver"] += 1
        bought.state = "delivered"
        bought.events["order.delivered"] += 1

    def _restock(self, sku: str) -> None:
        more = self._random.randint(1, 12)
        wanted = {"change": more, "reason": "delivery"}
        status, product, _ = self._send("POST", f"/product/{sku}/stock", wanted, self._key())
        assert status == 200, product
        self.did["restock"] += 1
        self.delivered[sku] += more

    def _reprice(self, sku: str) -> None:
        """Change a price in the catalogue; orders of this test state their amounts."""
        wanted = {"price": f"{self._random.randint(5, 60)}.00"}
        status, product, _ = self._send("PATCH", f"/product/{sku}", wanted, PATCH)
        assert status == 200, product
        self.did["reprice"] += 1

    def _was_refused(self, action: str, bought: Bought, status: int, answer: Any) -> bool:
        """Return whether the response is a 409; any other status than 200 fails the test."""
        assert status in (200, 409), (action, bought, status, answer)
        self.did[action if status == 200 else f"{action} refused"] += 1
        return status == 409

    def _some_book(self) -> str:
        return self._random.choice(sorted(self._prices))

    def _some_lines(self) -> Counter[str]:
        skus = self._random.sample(sorted(self._prices), self._random.randint(1, 4))
        return Counter({sku: self._random.randint(1, 4) for sku in skus})

    def _as_items(self, lines: Counter[str]) -> list[dict[str, Any]]:
        return [
            {"product": sku, "quantity": n, "amount": str(self._prices[sku])}
            for sku, n in lines.items()
        ]

    def _key(self) -> dict[str, str]:
        self._keys += 1
        return {"Idempotency-Key": f"{self._name}-{self._keys}"}

    def _send(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any, bool]:
        """Send until there is a response; return status, document and whether it was repeated."""
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
