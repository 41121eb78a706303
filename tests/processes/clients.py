"""Clients that place orders concurrently and record the responses."""

import threading
from collections.abc import Container, Sequence
from http.client import HTTPConnection, HTTPException
from time import monotonic, sleep
from typing import Any

from tests.processes.servers import PATIENCE_S, Server, exchange

ORDER = {
    "customer_name": "Ann",
    "customer_email": "ann@example.com",
    "items": [{"product": "tea", "quantity": 2}, {"product": "mug", "quantity": 1}],
}

REPEAT_PAUSE_S = 0.02


class Load:
    """`clients` threads, each of which places `each` orders; the servers take turns.

    A client without a response sends the order again with the same Idempotency-Key, so that every
    order is placed once. With `insist=False` it gives up instead, for tests that stop the service.
    `repeated` are the statuses after which it sends an order again, as after no response.
    """

    def __init__(
        self,
        servers: Sequence[Server],
        clients: int,
        each: int,
        *,
        insist: bool = True,
        repeated: Container[int] = (),
    ) -> None:
        self.acknowledged: list[dict[str, Any]] = []
        self.refused: list[tuple[int, Any]] = []
        self._insist = insist
        self._repeated = repeated
        self._threads = [
            threading.Thread(target=self._run, args=(n, servers[n % len(servers)], each))
            for n in range(clients)
        ]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.join()

    def join(self) -> None:
        """Wait until all clients have ended."""
        for thread in self._threads:
            thread.join()

    def has_placed(self, orders: int) -> bool:
        """Return whether at least so many orders were acknowledged."""
        return len(self.acknowledged) >= orders

    @property
    def is_over(self) -> bool:
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self, client: int, server: Server, each: int) -> None:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
        for n in range(each):
            if not self._place(connection, f"client-{client}-order-{n}"):
                break
        connection.close()

    def _place(self, connection: HTTPConnection, key: str) -> bool:
        deadline = monotonic() + PATIENCE_S
        while monotonic() < deadline:
            try:
                status, document = exchange(
                    connection, "POST", "/order", ORDER, {"Idempotency-Key": key}
                )
            except (OSError, HTTPException):
                connection.close()
                if not self._insist:
                    return False
                sleep(REPEAT_PAUSE_S)
                continue
            if status == 201:
                self.acknowledged.append(document)
                return True
            if status in self._repeated:
                sleep(REPEAT_PAUSE_S)
                continue
            self.refused.append((status, document))
            return False
        return False
