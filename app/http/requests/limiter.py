"""Requests arrive whole before they are worked on, so that a slow client holds up nobody else.

Granian gives each request a thread as soon as its head is there, and has no time limit for the
body. So there are many more threads than requests that are worked on at once (DAYBOOK_THREADS): in
the others bodies are waited for, which costs a little memory, and answers are streamed to open
pages. One address gets a part of them only, so that no single machine can take them all.
"""

import threading
from collections import Counter, deque
from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING

from app.http.requests.body import READ_AT_MOST_BYTES
from app.http.responses import problems

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

CONNECTIONS = 512
"""What one worker holds open at once; further ones wait until the system takes them to it."""

ARRIVING_FROM_ONE_ADDRESS = CONNECTIONS // 4
"""So many bodies from one address may be on their way to one worker at once."""

_DRAINED_BYTES = 1 << 24
_PIECE_BYTES = 1 << 16
_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS"})


class RequestLimiter:
    """A WSGI application around `app`: `at_once` requests are worked on at a time."""

    def __init__(
        self,
        app: "WSGIApplication",
        at_once: int,
        from_one_address: int = ARRIVING_FROM_ONE_ADDRESS,
    ) -> None:
        self._app = app
        self._from_one_address = from_one_address
        self._arriving: Counter[str] = Counter()
        self._counting = threading.Lock()
        self._places = _Places(at_once)

    def __call__(self, environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        """See PEP 3333; answers 429 where too many bodies from one address are on their way."""
        if environ["REQUEST_METHOD"] not in _WITHOUT_BODY:
            address = environ.get("REMOTE_ADDR", "")
            if not self._may_arrive(address):
                return _too_many()(environ, start)
            try:
                environ["wsgi.input"] = _received(environ)
            finally:
                self._has_arrived(address)
        self._places.take()
        try:
            return self._app(environ, start)
        finally:
            self._places.give_back()

    def _may_arrive(self, address: str) -> bool:
        with self._counting:
            if self._arriving[address] >= self._from_one_address:
                return False
            self._arriving[address] += 1
            return True

    def _has_arrived(self, address: str) -> None:
        with self._counting:
            self._arriving[address] -= 1
            if not self._arriving[address]:
                del self._arriving[address]


class _Places:
    """So many may work at once; who waits gets a place in turn, as a semaphore does not promise."""

    def __init__(self, free: int) -> None:
        self._free = free
        self._waiting: deque[threading.Lock] = deque()
        self._changing = threading.Lock()

    def take(self) -> None:
        with self._changing:
            if self._free:
                self._free -= 1
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        turn.acquire()  # which whoever gives a place back lets go

    def give_back(self) -> None:
        with self._changing:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1


def _received(environ: "WSGIEnvironment") -> BytesIO:
    """The body, or so much of it that it is seen to be too large.

    The rest is taken in within reason: a client that still sends can't hear the answer.
    """
    stream = environ["wsgi.input"]
    body = stream.read(READ_AT_MOST_BYTES)
    left = _DRAINED_BYTES if len(body) == READ_AT_MOST_BYTES else 0
    while left > 0 and (piece := stream.read(min(left, _PIECE_BYTES))):
        left -= len(piece)
    return BytesIO(body)


def _too_many() -> "WSGIApplication":
    detail = "Too many requests from this address are on their way at once; send fewer at a time."
    answer = problems.problem(429, "Too many requests", detail)
    answer.headers["Retry-After"] = "1"
    return answer
