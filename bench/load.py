"""Loads one HTTP/1.1 service with a fixed number of clients and times every response.

Closed loop: each of N keep-alive connections sends its next request once it has the whole response
to its last one. The driver shares the machine's cores with the service that it measures, so it
must cost little: one thread, raw non-blocking sockets, requests rendered beforehand; of a response
it parses only the status and the Content-Length.

bench.run starts it as a process of its own (`python -m bench.load`). It must never count a
response that it did not fully receive, nor report a rate for a run with an unexpected status.
"""

import argparse
import json
import selectors
import socket
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path
from urllib.parse import urljoin, urlsplit

STALL_TIMEOUT_S = 30.0
"""A run without any response on any connection for this long is invalid."""


class LoadInvalid(Exception):
    """The run says nothing about speed: an unexpected status, a lost connection, or a stall."""


@dataclass(frozen=True)
class Measurement:
    """One valid run.

    `requests` are the responses that came within `seconds`, and `per_second` is their rate.
    Requests under way at the end of that time are awaited, too: they count in the percentiles, in
    max_ms and in `statuses` (counts by status), so a slow last response is visible.
    """

    requests: int
    seconds: float
    per_second: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    statuses: dict[str, int]
    driver_cpu_s: float


def drive(
    host: str,
    ports: Sequence[int],
    requests: Sequence[bytes],
    *,
    clients: int = 16,
    seconds: float | None = None,
    count: int | None = None,
    expected_status: int = 201,
) -> Measurement:
    """Send `requests` in turn, over and over, for `seconds` or until `count` were answered.

    The clients are spread over the ports.

    Raises ValueError unless one of `seconds` and `count` is args, LoadInvalid with the first bad
    body when any response had another status, and OSError when a connection fails.
    """
    if (seconds is None) == (count is None):
        raise ValueError("give either seconds or count")
    run = _Run(requests, seconds, count, expected_status)
    connections = [_Connection(_connect(host, ports[n % len(ports)])) for n in range(clients)]
    try:
        run.play(connections)
    finally:
        for connection in connections:
            connection.socket.close()
    return run.measurement()


def render(method: str, url: str, body: bytes = b"") -> bytes:
    """Return the bytes of one keep-alive request; `url` is absolute and its query is kept."""
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    head = [f"{method} {target} HTTP/1.1", f"Host: {parts.netloc}"]
    if body:
        head += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, "", ""]).encode("ascii") + body


def response_length(received: bytes) -> int | None:
    """Return the bytes of the response at the start of `received`; None if its head is incomplete.

    Raises LoadInvalid when the head gives no Content-Length (chunked, or until the end of the
    connection): the driver does not guess where such a response ends.
    """
    head_end = received.find(b"\r\n\r\n")
    if head_end < 0:
        return None
    if int(received[9:12]) in (204, 304):  # these have no body, and no length either
        return head_end + 4
    head = received[:head_end].lower()
    _, found, rest = head.partition(b"\r\ncontent-length:")
    if not found or b"\r\ntransfer-encoding:" in head:
        raise LoadInvalid(f"an answer without a plain Content-Length:\n{head.decode('latin-1')}")
    return head_end + 4 + int(rest.partition(b"\r\n")[0])


def _connect(host: str, port: int) -> socket.socket:
    connected = socket.create_connection((host, port), timeout=STALL_TIMEOUT_S)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connected.setblocking(False)
    return connected


@dataclass(slots=True)
class _Connection:
    """One client: its socket, when its request left, and what came back so far."""

    socket: socket.socket
    sent_at: float = 0.0
    received: bytes = b""


class _Run:
    """The loop and its tally."""

    def __init__(
        self, requests: Sequence[bytes], seconds: float | None, count: int | None, expected: int
    ) -> None:
        self._next_request = cycle(requests).__next__
        self._seconds = seconds
        self._unsent = count
        self._expected = expected
        self._started_at = self._deadline = self._last_at = self._cpu_s = 0.0
        self._waiting = self._in_time = 0
        self._latencies: list[float] = []
        self._statuses: Counter[int] = Counter()
        self._first_bad = b""

    def play(self, connections: Sequence[_Connection]) -> None:
        """Keep every connection busy until the time or the count is used up, then drain."""
        cpu_before = time.process_time()
        self._started_at = time.perf_counter()
        self._deadline = self._started_at + (float("inf") if not self._seconds else self._seconds)
        with selectors.DefaultSelector() as selector:
            for connection in connections:
                selector.register(connection.socket, selectors.EVENT_READ, connection)
                self._send_next(connection)
            while self._waiting:
                ready = selector.select(STALL_TIMEOUT_S)
                if not ready:
                    raise LoadInvalid(f"no response on any connection for {STALL_TIMEOUT_S:.0f} s")
                for key, _ in ready:
                    self._receive(key.data)
        self._cpu_s = time.process_time() - cpu_before

    def measurement(self) -> Measurement:
        """Return the figures; raises LoadInvalid when any status was not the expected one."""
        statuses = {str(status): n for status, n in sorted(self._statuses.items())}
        if self._first_bad or not self._latencies:
            bad = self._first_bad.decode("utf-8", "replace")
            raise LoadInvalid(f"expected only {self._expected}, got {statuses}; first bad: {bad}")
        seconds = self._seconds or self._last_at - self._started_at
        ordered = sorted(self._latencies)
        return Measurement(
            requests=self._in_time,
            seconds=round(seconds, 3),
            per_second=round(self._in_time / seconds, 1),
            p50_ms=_percentile_ms(ordered, 50),
            p99_ms=_percentile_ms(ordered, 99),
            max_ms=_percentile_ms(ordered, 100),
            statuses=statuses,
            driver_cpu_s=round(self._cpu_s, 3),
        )

    def _send_next(self, connection: _Connection) -> None:
        now = time.perf_counter()
        if now >= self._deadline or self._unsent == 0:
            return
        if self._unsent is not None:
            self._unsent -= 1
        request = self._next_request()
        connection.sent_at = now
        if connection.socket.send(request) != len(request):
            raise LoadInvalid("the socket did not take a whole request at once")
        self._waiting += 1

    def _receive(self, connection: _Connection) -> None:
        chunk = connection.socket.recv(65536)
        if not chunk:
            raise LoadInvalid("the service closed a connection before its response")
        received = connection.received = connection.received + chunk
        length = response_length(received)
        if length is None or len(received) < length:
            return
        self._tally(connection, int(received[9:12]))
        connection.received = received[length:]
        if connection.received:
            raise LoadInvalid("the service sent more bytes than its Content-Length said")
        self._send_next(connection)

    def _tally(self, connection: _Connection, status: int) -> None:
        self._waiting -= 1
        self._last_at = time.perf_counter()
        self._in_time += self._last_at <= self._deadline
        self._latencies.append(self._last_at - connection.sent_at)
        self._statuses[status] += 1
        if status != self._expected and not self._first_bad:
            self._first_bad = connection.received


def percentile(ordered: Sequence[float], percent: int) -> float:
    """Return the percentile of ascending numbers by nearest rank."""
    return ordered[-(-len(ordered) * percent // 100) - 1]


def _percentile_ms(ordered: Sequence[float], percent: int) -> float:
    return round(percentile(ordered, percent) * 1000, 2)


def _requests(args: argparse.Namespace) -> list[bytes]:
    if args.bodies:
        return [render("POST", args.url, body) for body in args.bodies.read_bytes().splitlines()]
    if args.requests:
        lines = map(json.loads, args.requests.read_text("utf-8").splitlines())
        return [
            render(
                each["method"], urljoin(args.url, each["path"]), json.dumps(each["body"]).encode()
            )
            for each in lines
        ]
    if args.paths:
        paths = args.paths.read_text("utf-8").splitlines()
        return [render("GET", urljoin(args.url, path)) for path in paths]
    return [render("GET", args.url)]


def main() -> int:
    """Print one Measurement as JSON; 1 and a reason on stderr when the run is invalid."""
    parser = argparse.ArgumentParser(prog="python -m bench.load", description="Load one URL.")
    parser.add_argument("url", help="for example http://127.0.0.1:8000/order")
    parser.add_argument("--bodies", type=Path, help="one JSON body per line to POST; without: GET")
    parser.add_argument("--paths", type=Path, help="one path per line to GET, in turn")
    parser.add_argument("--requests", type=Path, help="one {method, path, body} per line, in turn")
    parser.add_argument("--clients", type=int, default=16)
    span = parser.add_mutually_exclusive_group(required=True)
    span.add_argument("--seconds", type=float)
    span.add_argument("--count", type=int)
    parser.add_argument("--expect", type=int, help="the one good status; default 201, for GET 200")
    args = parser.parse_args()

    address = urlsplit(args.url)
    try:
        measured = drive(
            address.hostname or "127.0.0.1",
            [address.port or 80],
            _requests(args),
            clients=args.clients,
            seconds=args.seconds,
            count=args.count,
            expected_status=args.expect or (201 if args.bodies else 200),
        )
    except (LoadInvalid, OSError) as reason:
        print(f"invalid run: {reason}", file=sys.stderr)
        return 1
    print(json.dumps(asdict(measured)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
