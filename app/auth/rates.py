"""Rate limits: requests a minute of one caller, against programs out of control.

A key or a person counts by name or id, other callers by address; local requests to a shop without
keys are not counted. Each process counts for itself, so with W workers up to W times as many
requests may pass. That is enough to keep one caller from starving the others, and needs neither a
lock between processes nor a write. Sign-in attempts are counted exactly (sign_in_throttle.py).
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

_UNLIMITED_ENDPOINTS = PROBES | {"web.static", "web.customer.show_picture"}


class Policy(NamedTuple):
    """The number of requests allowed in each window; 0 is no limit."""

    name: str
    quota: int


class RateLimiter:
    """Counts the requests of each caller to one process in fixed windows of a minute."""

    def __init__(self, quota_by_name: int, quota_by_address: int) -> None:
        self._by_name = Policy("caller", quota_by_name)
        self._by_address = Policy("address", quota_by_address)
        self._lock = threading.Lock()
        self._window = 0
        self._counts: Counter[str] = Counter()

    def limit(self, authorize: Callable[[], None]) -> Callable[[], None]:
        """`authorize` that also counts the caller, authorized or not, and raises TooMany."""

        def authorize_and_count() -> None:
            try:
                authorize()
            finally:
                if current() is not LOCAL:
                    self._count_caller()

        return authorize_and_count

    def _count_caller(self) -> None:
        identity = current()
        if identity is not PUBLIC:
            self._count(self._by_name, f"{identity.role} {identity.id}")
        elif request.endpoint is None and is_local_request():
            return  # at an unknown address `authorize` does not find out whether the shop has keys
        elif request.endpoint not in _UNLIMITED_ENDPOINTS:
            self._count(self._by_address, network_of(request.remote_addr or ""))

    def _count(self, policy: Policy, caller: str) -> None:
        if not policy.quota:
            return
        now = monotonic()
        used = self._increment(int(now // WINDOW_S), caller)
        reset_s = ceil(WINDOW_S - now % WINDOW_S)

        @after_this_request
        def add_headers(response: Response) -> Response:
            left = max(0, policy.quota - used)
            response.headers["RateLimit-Policy"] = f'"{policy.name}";q={policy.quota};w={WINDOW_S}'
            response.headers["RateLimit"] = f'"{policy.name}";r={left};t={reset_s}'
            return response

        if used > policy.quota:
            raise TooMany(
                f"This {policy.name} sent more than {policy.quota} requests in a minute; wait, and "
                "send fewer.",
                retry_after_s=reset_s,
                type=EXCEEDED,
                **{"violated-policies": [policy.name]},
            )

    def _increment(self, window: int, caller: str) -> int:
        """Count a request of the caller in this window, and drop the counts of earlier windows."""
        with self._lock:
            if window != self._window:
                self._window = window
                self._counts.clear()
            self._counts[caller] += 1
            return self._counts[caller]
