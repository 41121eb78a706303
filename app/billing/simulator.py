"""A simulated payment gateway, which takes no money: for demonstrations, classes and tests.

The payment method chooses its response to a charge (app/kernel/payment_methods.py); refunds are
approved.

Like a real gateway it records every key, in an SQLite file in the data folder that the store does
not know. The file is written but not synced: it survives kill -9; power loss may lose its last
requests, which a gateway on another machine would still have.
"""

import json
import sqlite3
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app.billing.gateway import Charge, PaymentGateway, Refund, Response
from app.config import Config
from app.kernel.errors import Conflict, Unavailable
from app.kernel.payment_methods import APPROVE, DECLINE, DOWN, TIMEOUT

OUTAGE_CALLS = 5
"""The calls that fail before a charge by the method `down` succeeds."""

NO_RESPONSE = "The payment gateway did not respond in time."
UNREACHABLE = "The payment gateway cannot be reached."
DECLINED = "the card was declined"

_TABLE = """
CREATE TABLE IF NOT EXISTS requests (
    key TEXT PRIMARY KEY,
    request TEXT NOT NULL,
    calls INTEGER NOT NULL,
    reference TEXT,
    declined TEXT
) WITHOUT ROWID
"""
_BUSY_TIMEOUT_S = 5.0


def payment_gateway(config: Config) -> PaymentGateway:
    """The payment gateway of the shop."""
    return Simulator(config.data / "gateway")


class Simulator:
    """The simulated PaymentGateway. Creates `folder` with the first request; safe for threads."""

    cards: Mapping[str, str] = {
        APPROVE: "Card (test: approved)",
        DECLINE: "Card (test: declined)",
        TIMEOUT: "Card (test: first response is lost)",
        DOWN: "Card (test: bank is down for a while)",
    }

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._opened: sqlite3.Connection | None = None

    def submit(self, request: Charge | Refund) -> Response:
        """See PaymentGateway."""
        method = request.method if isinstance(request, Charge) else APPROVE
        response = Response(
            request.key, f"sim-{request.key}", DECLINED if method == DECLINE else ""
        )
        with self._recorded(request) as (database, calls):
            if method == DOWN and calls <= OUTAGE_CALLS:
                raise Unavailable(UNREACHABLE)
            database.execute(
                "UPDATE requests SET reference = ?, declined = ?"
                " WHERE key = ? AND reference IS NULL",
                (response.reference, response.declined, response.key),
            )
            if method == TIMEOUT and calls == 1:
                raise Unavailable(NO_RESPONSE)
        return response

    def requests(self) -> list[dict[str, Any]]:
        """Every request by key, with its number of calls and its response."""
        with self._lock:
            rows = self._database().execute("SELECT * FROM requests ORDER BY key").fetchall()
        return [
            json.loads(request)
            | {"key": key, "calls": calls, "reference": reference, "declined": declined}
            for key, request, calls, reference, declined in rows
        ]

    def close(self) -> None:
        """See PaymentGateway."""
        with self._lock:
            if self._opened:
                self._opened.close()
                self._opened = None

    @contextmanager
    def _recorded(self, request: Charge | Refund) -> Iterator[tuple[sqlite3.Connection, int]]:
        """Count the call; yields the connection and the number of calls for the request's key.

        Raises Conflict when the key was used for another request, Unavailable when SQLite fails.
        """
        text = json.dumps(asdict(request) | {"kind": type(request).__name__.lower()})
        try:
            with self._lock:
                database = self._database()
                known, calls = database.execute(
                    "INSERT INTO requests (key, request, calls) VALUES (?, ?, 1)"
                    " ON CONFLICT (key) DO UPDATE SET calls = calls + 1 RETURNING request, calls",
                    (request.key, text),
                ).fetchone()
                if known != text:
                    raise Conflict(f"The key {request.key} was used for another payment.")
                yield database, calls
        except sqlite3.OperationalError as error:  # its disk is full, or its file is in use
            raise Unavailable(f"The payment gateway is out of order: {error}.") from None

    def _database(self) -> sqlite3.Connection:
        if self._opened is None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = self._folder / "account.sqlite"
            path.touch()
            path.chmod(0o600)  # SQLite gives its other files the same mode
            opened = sqlite3.connect(
                path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
            weakref.finalize(self, opened.close)
            opened.execute("PRAGMA journal_mode=WAL")
            opened.execute("PRAGMA synchronous=NORMAL")
            opened.execute(_TABLE)
            self._opened = opened
        return self._opened
