"""How many requests a minute one caller may send: a guard against programs that have gone wild.

A key or a person is counted by name, anybody else by address; whoever sits at the machine of a shop
without keys is not counted, and pays nothing. Each process counts for itself, so with W workers up
to W times as many may pass: enough to keep one caller from holding up the others, and it costs
neither a lock between processes nor a write. Attempts to sign in are counted for all processes
together (attempts.py).
"""

import threading
from collections import Counter
from collections.abc import Callable
from math import ceil
from time import monotonic
from typing import NamedTuple

from flask import Response, after_this_request, request

from app.auth.guard import is_local_request
from app.auth.permissions import PROBES
from app.http.security.identity import current
from app.http.security.network import network_of
from app.kernel.errors import TooMany
from app.kernel.identity import LOCAL, PUBLIC

WINDOW_S = 60
EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"
"""The problem type of draft-ietf-httpapi-ratelimit-headers-10, as are the header fields."""


_UNCOUNTED = PROBES | {"web.static"}


class Policy(NamedTuple):
    """So many requests in each minute; 0 is no limit."""

    name: str
    quota: int


class Rates:
    """Counts the requests of each caller of one process. `by_name` and `by_address` are quotas."""

    def __init__(self, by_name: int, by_address: int) -> None:
        self._by_name = Policy("caller", by_name)
        self._by_address = Policy("address", by_address)
        self._counting = threading.Lock()
        self._window = 0
        self._counts: Counter[str] = Counter()

    def around(self, admit: Callable[[], None]) -> Callable[[], None]:
        """`admit`, with whoever it admits or refuses counted; that raises TooMany."""

        def admit_and_count() -> None:
            try:
                admit()
            finally:
                if current() is not LOCAL:
                    self._count_caller()

        return admit_and_count

    def _count_caller(self) -> None:
        identity = current()
        if identity is not PUBLIC:
            self._count(self._by_name, f"{identity.role} {identity.name}")
        elif request.endpoint is None and is_local_request():
            return  # no such address: nobody has asked yet whether this shop has keys
        elif request.endpoint not in _UNCOUNTED:
            self._count(self._by_address, network_of(request.remote_addr or ""))

    def _count(self, policy: Policy, subject: str) -> None:
        if not policy.quota:
            return
        now = monotonic()
        used = self._used(int(now // WINDOW_S), subject)
        left_s = ceil(WINDOW_S - now % WINDOW_S)

        @after_this_request
        def tell(answer: Response) -> Response:
            left = max(0, policy.quota - used)
            answer.headers["RateLimit-Policy"] = f'"{policy.name}";q={policy.quota};w={WINDOW_S}'
            answer.headers["RateLimit"] = f'"{policy.name}";r={left};t={left_s}'
            return answer

        if used > policy.quota:
            raise TooMany(
                f"This {policy.name} sends more than {policy.quota} requests a minute; wait, and "
                "go on more slowly.",
                retry_after_s=left_s,
                type=EXCEEDED,
                **{"violated-policies": [policy.name]},
            )

    def _used(self, window: int, subject: str) -> int:
        """How many requests that makes in this window; those of the ones before are forgotten."""
        with self._counting:
            if window != self._window:
                self._window = window
                self._counts.clear()
            self._counts[subject] += 1
            return self._counts[subject]
