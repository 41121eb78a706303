"""A payment gateway that takes no money: for demonstrations, classes and tests.

How it answers a charge is chosen by the method (see app/kernel/payment_methods.py); refunds are
approved.

Like a real gateway it keeps its own record of every key, which our process cannot lose by dying:
an SQLite file of its own, in the data folder but no part of the books. The file is written, not
synced: it survives kill -9, and power loss may take the last moments of it, which a gateway on
another machine would still know.
"""

import json
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app.billing.gateway import Answer, Charge, PaymentGateway, Refund
from app.config import Config
from app.kernel.errors import Conflict, Unavailable
from app.kernel.payment_methods import DECLINE, DOWN, TIMEOUT

OUTAGE_CALLS = 5
"""So many calls for a charge by the method `down` find the gateway down."""

NO_ANSWER = "The payment gateway did not answer in time."
NOT_THERE = "The payment gateway cannot be reached."
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


def gateway(config: Config) -> PaymentGateway:
    """The gateway of the shop with these settings."""
    return Simulator(config.data / "gateway")


class Simulator:
    """See PaymentGateway. `folder` is created with the first request; safe for threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._opened: sqlite3.Connection | None = None

    def charge(self, wanted: Charge) -> Answer:
        """See PaymentGateway."""
        declined = DECLINED if wanted.method == DECLINE else ""
        with self._recorded(wanted) as (records, calls):
            if wanted.method == DOWN and calls <= OUTAGE_CALLS:
                raise Unavailable(NOT_THERE)
            answer = _answer(records, wanted.key, declined)
            if wanted.method == TIMEOUT and calls == 1:
                raise Unavailable(NO_ANSWER)
        return answer

    def refund(self, wanted: Refund) -> Answer:
        """See PaymentGateway."""
        with self._recorded(wanted) as (records, _):
            return _answer(records, wanted.key)

    def requests(self) -> list[dict[str, Any]]:
        """Every request it ever heard, by key, with how often and what came of it."""
        with self._lock:
            rows = self._records().execute("SELECT * FROM requests ORDER BY key").fetchall()
        return [
            json.loads(request)
            | {"key": key, "calls": calls, "reference": reference, "declined": declined}
            for key, request, calls, reference, declined in rows
        ]

    @contextmanager
    def _recorded(self, wanted: Charge | Refund) -> Iterator[tuple[sqlite3.Connection, int]]:
        """The records, in which the call is counted, and the how manieth it is for its key.

        Raises Conflict when the key was used for another request.
        """
        request = json.dumps(asdict(wanted) | {"kind": type(wanted).__name__.lower()})
        try:
            with self._lock:
                records = self._records()
                known, calls = records.execute(
                    "INSERT INTO requests (key, request, calls) VALUES (?, ?, 1)"
                    " ON CONFLICT (key) DO UPDATE SET calls = calls + 1 RETURNING request, calls",
                    (wanted.key, request),
                ).fetchone()
                if known != request:
                    raise Conflict(f"The key {wanted.key} was used for another payment.")
                yield records, calls
        except sqlite3.OperationalError as error:  # its disk is full, or its file is in use
            raise Unavailable(f"The payment gateway is out of order: {error}.") from None

    def _records(self) -> sqlite3.Connection:
        if self._opened is None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            opened = sqlite3.connect(
                self._folder / "account.sqlite",
                timeout=_BUSY_TIMEOUT_S,
                isolation_level=None,
                check_same_thread=False,
            )
            weakref.finalize(self, opened.close)
            opened.execute("PRAGMA journal_mode=WAL")
            opened.execute("PRAGMA synchronous=NORMAL")
            opened.execute(_TABLE)
            self._opened = opened
        return self._opened


def _answer(records: sqlite3.Connection, key: str, declined: str = "") -> Answer:
    """The answer to a request, recorded the first time it is given."""
    reference = f"sim-{key}"
    records.execute(
        "UPDATE requests SET reference = ?, declined = ? WHERE key = ? AND reference IS NULL",
        (reference, declined, key),
    )
    return Answer(key, reference, declined)
