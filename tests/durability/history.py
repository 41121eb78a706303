"""A history of concurrent requests, and whether a single shop can have answered them so.

For each order the versions must be linearizable: there is an order of the acts, which agrees with
real time, in which each sees what those before it did. As versions only grow, that comes down to:
no two changes got the same version; a request that begins after an answer sees that version or a
later one; after an answered deletion no request sees the order; and of two changes on the condition
that nobody has edited the order since version v, one is refused.
"""

import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from http.client import HTTPConnection
from random import Random
from time import monotonic
from typing import NamedTuple

from tests.processes.servers import PATIENCE_S, Server, exchange

READ, PLACE, CHANGE, CANCEL, DELETE = "GET", "POST", "PATCH", "cancel", "DELETE"
SKUS = ("few", "many")
GONE = 10**9
"""Stands for the version of a deleted order: above all others."""


class Act(NamedTuple):
    """A request about an order between two moments, and the version in the response."""

    what: str
    number: int
    began: float
    ended: float
    version: int
    expected: int | None = None

    @property
    def changes(self) -> bool:
        """Whether the version is the act's own."""
        return self.what in (PLACE, CHANGE)


class Client:
    """A client on a connection of its own, which chooses its acts at random."""

    def __init__(self, server: Server, random: Random, numbers: list[int]) -> None:
        """`numbers` are the orders that all clients know of."""
        self._server = server
        self._random = random
        self._numbers = numbers
        self.acts: list[Act] = []
        self.unforeseen: list[tuple[int, object]] = []
        self.negative: list[object] = []

    def run(self, count: int) -> None:
        """Do `count` acts."""
        connection = HTTPConnection("127.0.0.1", self._server.port, timeout=PATIENCE_S)
        for _ in range(count):
            self._act(connection)
        connection.close()

    def _act(self, connection: HTTPConnection) -> None:
        choice = self._random.random()
        if choice < 0.3 or not self._numbers:
            self._do(connection, PLACE, 0)
        elif choice < 0.4:
            self._check_stock(connection)
        else:
            number = self._random.choice(self._numbers[-20:])
            kinds = (READ, READ, READ, CHANGE, CHANGE, CHANGE, CANCEL, DELETE)
            self._do(connection, self._random.choice(kinds), number)

    def _do(self, connection: HTTPConnection, what: str, number: int) -> None:
        known = self._version_known(number) if what == CHANGE else None
        headers = {"If-Match": f'"{known}"'} if known and self._random.random() < 0.5 else {}
        began = monotonic()
        status, answer = exchange(connection, *self._request(what, number), headers)
        ended = monotonic()
        expected = known if headers else None
        if status in (200, 201):
            version = GONE if what == DELETE else answer["version"]
            number = answer.get("number", number)
            self.acts.append(Act(what, number, began, ended, version, expected))
            if what == PLACE:
                self._numbers.append(number)
        elif status == 404 and what != PLACE:
            self.acts.append(Act(READ, number, began, ended, GONE))
        elif status not in (409, 412):
            self.unforeseen.append((status, answer))

    def _request(self, what: str, number: int) -> tuple[str, str, object]:
        skus = SKUS if self._random.random() < 0.2 else SKUS[-1:]
        lines = [{"product": sku, "quantity": self._random.randint(1, 3)} for sku in skus]
        if what == PLACE:
            return "POST", "/order", {"customer_name": "Ann", "items": lines}
        if what == CHANGE:
            name = f"Ann {self._random.random()}"  # so that each patch changes something
            return "PATCH", f"/order/{number}", {"customer_name": name, "items": lines}
        if what == CANCEL:
            return "POST", f"/order/{number}/cancel", {"reason": "so"}
        return what, f"/order/{number}", None

    def _version_known(self, number: int) -> int | None:
        versions = [act.version for act in self.acts if act.number == number]
        return versions[-1] if versions and versions[-1] != GONE else None

    def _check_stock(self, connection: HTTPConnection) -> None:
        for sku in SKUS:
            _, product = exchange(connection, "GET", f"/product/{sku}")
            if product["available"] < 0 or product["quantity"] < product["reserved"]:
                self.negative.append(product)


def run_clients(servers: Sequence[Server], clients: int, acts: int, seed: int) -> list[Client]:
    """Let so many clients do so many acts each, at the same time, over the servers in turn."""
    numbers: list[int] = []
    everybody = [
        Client(servers[place % len(servers)], Random(seed + place), numbers)
        for place in range(clients)
    ]
    threads = [threading.Thread(target=each.run, args=(acts,)) for each in everybody]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return everybody


def contradictions(acts: Sequence[Act]) -> Iterator[str]:
    """The answers that no single shop can have given."""
    by_order: defaultdict[int, list[Act]] = defaultdict(list)
    for act in acts:
        by_order[act.number].append(act)
    for each in by_order.values():
        yield from _of_one_order(each)


def _of_one_order(acts: list[Act]) -> Iterator[str]:
    changed = [act.version for act in acts if act.changes]
    if len(changed) != len(set(changed)):
        yield f"two changes were given the same version: {acts}"
    for act in acts:
        if act.expected and act.version <= act.expected:
            yield f"changed something else than version {act.expected}: {act}"
        if act.expected and any(act.expected < each < act.version for each in changed):
            yield f"changed an order that another client had edited: {act}"
    acts.sort(key=lambda act: act.began)
    ended = sorted(acts, key=lambda act: act.ended)
    seen, place = 0, 0
    for act in acts:
        while ended[place].ended < act.began:
            seen = max(seen, ended[place].version)
            place += 1
        if act.version < seen:
            yield f"version {act.version} was seen after version {seen}: {act}"
