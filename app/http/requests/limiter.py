"""Limits on concurrent requests, so that slow clients cannot take all threads.

Granian gives each request a thread as soon as its headers are complete, and has no time limit for
the body. The server therefore has many more threads than requests that run at once
(DAYBOOK_THREADS): the others read bodies, which costs a little memory, and stream responses to open
pages. One network may use only a part of them, so that no single client can take them all. Behind
a trusted proxy (proxies.py, which runs before) that is the client's network, not the proxy's. Slow
work that is not an order's is done outside of the slots, in bulkheads (app/system/bulkhead.py).

A body that did not arrive whole is refused here, before any route (RFC 9112, section 8). In WSGI a
connection that closes early looks like the end of the body, so the body's length is compared with
Content-Length.
"""

import threading
from collections import Counter
from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING

from flask import Response

from app.http.requests.body import MAX_READ_BYTES, TOO_LARGE
from app.http.responses.problems import problem_response
from app.http.security.network import network_of
from app.system.bulkhead import FifoSemaphore, request_slot

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MAX_CONNECTIONS = 512
"""Connections that one worker holds open; further ones wait in the listen queue."""

MAX_UPLOADS_PER_ADDRESS = MAX_CONNECTIONS // 4
"""Bodies from one address that one worker reads at the same time."""

PROBES = frozenset({"/livez", "/readyz"})
"""Paths that wait for no slot; otherwise they could not say that every request waits."""

_MAX_DISCARDED_BYTES = 1 << 24
_CHUNK_BYTES = 1 << 16
_LENGTH_REQUIRED = (
    "Send the length of the body in Content-Length, without Transfer-Encoding; only then is it "
    "certain that the whole body has arrived."
)
_INCOMPLETE = "The body is not as long as Content-Length says; send the request again."
_METHODS_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS"})


class RequestLimiter:
    """WSGI middleware that reads each body, then runs at most `max_running` requests at once."""

    def __init__(
        self,
        app: "WSGIApplication",
        max_running: int,
        max_uploads_per_address: int = MAX_UPLOADS_PER_ADDRESS,
    ) -> None:
        self._app = app
        self._max_uploads_per_address = max_uploads_per_address
        self._uploads: Counter[str] = Counter()
        self._uploads_lock = threading.Lock()
        self._running = FifoSemaphore(max_running)

    def __call__(self, environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        """See PEP 3333; 429 when this address already has too many uploads.

        400, 411 or 413 when it is not certain that the whole body has arrived.
        """
        if environ["REQUEST_METHOD"] not in _METHODS_WITHOUT_BODY:
            address = network_of(environ.get("REMOTE_ADDR", ""))
            if not self._begin_upload(address):
                return _too_many_uploads()(environ, start)
            try:
                body, received = _read_body(environ)
            finally:
                self._end_upload(address)
            if refusal := _check_length(environ, received):
                return refusal(environ, start)
            environ["wsgi.input"] = BytesIO(body)
        if environ["PATH_INFO"] in PROBES:
            return self._app(environ, start)
        with request_slot(self._running):
            return self._app(environ, start)

    def _begin_upload(self, address: str) -> bool:
        with self._uploads_lock:
            if self._uploads[address] >= self._max_uploads_per_address:
                return False
            self._uploads[address] += 1
            return True

    def _end_upload(self, address: str) -> None:
        with self._uploads_lock:
            self._uploads[address] -= 1
            if not self._uploads[address]:
                del self._uploads[address]


def _read_body(environ: "WSGIEnvironment") -> tuple[bytes, int]:
    """The body, and the number of bytes received.

    It is cut off one byte over the limit, so that the application still refuses it. Up to 16 MiB
    more are read and discarded: a client that still sends cannot read the response.
    """
    stream = environ["wsgi.input"]
    body = stream.read(MAX_READ_BYTES)
    received = len(body)
    left = _MAX_DISCARDED_BYTES if received == MAX_READ_BYTES else 0
    while left > 0 and (chunk := stream.read(min(left, _CHUNK_BYTES))):
        left -= len(chunk)
        received += len(chunk)
    return body, received


def _check_length(environ: "WSGIEnvironment", received: int) -> Response | None:
    """A refusal unless as many bytes were received as the request announces."""
    length = environ.get("CONTENT_LENGTH", "")
    if "HTTP_TRANSFER_ENCODING" in environ or (received and not length):
        return problem_response(411, "Length Required", _LENGTH_REQUIRED)
    if not length:
        return None
    if not (length.isascii() and length.isdigit()):
        return problem_response(400, "Malformed request", "Content-Length must be a number.")
    if length.lstrip("0") == str(received).lstrip("0"):
        return None
    if received >= MAX_READ_BYTES:
        return problem_response(413, "Request Entity Too Large", TOO_LARGE)
    return problem_response(400, "Malformed request", _INCOMPLETE)


def _too_many_uploads() -> Response:
    detail = "This address sends too many requests at the same time; send fewer at once."
    response = problem_response(429, "Too many requests", detail)
    response.headers["Retry-After"] = "1"
    return response
