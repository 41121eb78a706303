"""A bookshop: a server on a folder of its own, and a mail server that stores its mails."""

import time
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from email import message_from_bytes
from pathlib import Path
from typing import Any
from urllib.parse import quote

from app.store import Document
from tests.notification.conftest import MailServer
from tests.processes.readers import CARRIER_SECRET, Prices
from tests.processes.reconciliation import fill_catalogue
from tests.processes.servers import Server

BOOKS = 20
START = 12
"""Pieces of each book in stock at the start."""

SETTINGS = {
    "CARRIER_SECRET": CARRIER_SECRET,
    "MANAGER_EMAIL": "manager@example.com",
    "SHIP_WHEN": "reserved",  # shipping before payment makes more states possible
    "RETRY_ATTEMPTS": "30",
    "RETRY_WAIT": "0.01",
}
PRICES: Prices = {f"book-{n:02}": Decimal(5 + n) for n in range(BOOKS)}
CATALOGUE: list[Document] = [
    {
        "sku": sku,
        "name": f"Book {place}",
        "price": f"{price}.00",
        "quantity": START,
        "low_stock_threshold": 3,
        "backorder": place % 2 == 0,
    }
    for place, (sku, price) in enumerate(PRICES.items())
]
"""Every second book has `backorder`."""


class Shop:
    """The bookshop with its mail server; `killed_at` has the times of its kills."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        fill_catalogue(self.data, CATALOGUE)
        (folder / "post").mkdir()
        self._post = folder / "post"
        self._mail = MailServer(self._post)
        self.server = Server(self.data, SMTP_URL=self._mail.url, **SETTINGS)
        self.killed_at: list[float] = []

    def kill(self) -> None:
        """Send SIGKILL to the server and its workers at once, and restart it."""
        self.killed_at.append(time.time())
        self.server.kill()
        self.server.start()

    def close(self) -> None:
        self.server.kill()
        self._mail.stop()

    def read(self, path: str) -> Any:
        status, document = self.server.request("GET", path)
        assert status == 200, document
        return document

    def pages(self, path: str, name: str) -> Iterator[Document]:
        """Return every document of a list, page by page."""
        after = ""
        while True:
            page = self.read(f"{path}?limit=100{after}")
            yield from page[name]
            if page["next"] is None or page.get("more") is False:
                return
            after = f"&{'after' if name == 'events' else 'cursor'}={quote(page['next'])}"

    def arrivals(self) -> dict[str, list[float]]:
        """Return the arrival times of each mail by its Message-ID; more than one for a repeat."""
        times: dict[str, list[float]] = defaultdict(list)
        for file in sorted(self._post.iterdir()):
            message = message_from_bytes(file.read_bytes())
            times[message["Message-ID"]].append(file.stat().st_mtime)
        return times
