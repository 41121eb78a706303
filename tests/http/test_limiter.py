"""RequestLimiter: slow bodies take no slot of running requests."""

import threading
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

import pytest
from werkzeug.test import Client, EnvironBuilder, run_wsgi_app

from app.http.requests.body import MAX_READ_BYTES
from app.http.requests.limiter import RequestLimiter
from tests.conftest import PATIENCE_S


class SlowBody:
    """A body whose client sends nothing until the test sets `goes_on`."""

    length = len(b"late")

    def __init__(self) -> None:
        self.is_awaited = threading.Event()
        self.goes_on = threading.Event()
        self._rest = BytesIO(b"late")

    def read(self, size: int) -> bytes:
        self.is_awaited.set()
        assert self.goes_on.wait(PATIENCE_S)
        return self._rest.read(size)


@pytest.fixture
def bodies() -> list[bytes]:
    """The bodies that the application has read."""
    return []


@pytest.fixture
def app(bodies: list[bytes]) -> Callable[..., Any]:
    def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        bodies.append(environ["wsgi.input"].read())
        start("200 OK", [])
        return [b"done"]

    return app


def post(
    limiter: RequestLimiter,
    body: Any,
    address: str = "192.0.2.1",
    length: str | None = "",
    method: str = "POST",
    **variables: str,
) -> int:
    """The status; `length` is the Content-Length: None for no such header, "" for the right one."""
    environ = EnvironBuilder(method=method).get_environ()
    environ |= {"wsgi.input": body, "REMOTE_ADDR": address} | variables
    environ["CONTENT_LENGTH"] = length or str(body.length)
    if length is None:
        del environ["CONTENT_LENGTH"]
    return int(run_wsgi_app(limiter, environ)[1].split()[0])


class Body(BytesIO):
    """A body that has arrived, and its length."""

    @property
    def length(self) -> int:
        return len(self.getvalue())


@pytest.fixture
def slow() -> Iterable[Callable[[RequestLimiter, int], list[SlowBody]]]:
    """A function that starts some slow uploads to a limiter."""
    threads: list[threading.Thread] = []
    bodies: list[SlowBody] = []

    def begin(limiter: RequestLimiter, count: int) -> list[SlowBody]:
        begun = [SlowBody() for _ in range(count)]
        for body in begun:
            threads.append(threading.Thread(target=post, args=(limiter, body)))
            threads[-1].start()
            assert body.is_awaited.wait(PATIENCE_S)
        bodies.extend(begun)
        return begun

    yield begin
    for body in bodies:
        body.goes_on.set()
    for thread in threads:
        thread.join(PATIENCE_S)


Slow = Callable[[RequestLimiter, int], list[SlowBody]]


def test_slow_uploads_take_no_slot(app: Any, slow: Slow, bodies: list[bytes]) -> None:
    """With five slow uploads and one slot, other requests are served."""
    limiter = RequestLimiter(app, max_running=1)
    slow(limiter, 5)
    assert post(limiter, Body(b"quick")) == 200
    assert Client(limiter).get("/").status_code == 200
    assert bodies == [b"quick", b""]


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_probes_are_answered_while_every_slot_is_taken(path: str) -> None:
    """A load balancer learns of a shop whose orders all wait for a lock."""
    is_taken, goes_on = threading.Event(), threading.Event()

    def waiting(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/order":
            is_taken.set()
            assert goes_on.wait(PATIENCE_S)
        start("200 OK", [])
        return [b"done"]

    client = Client(RequestLimiter(waiting, max_running=1))
    order = threading.Thread(target=client.post, args=("/order",))
    probe = threading.Thread(target=client.get, args=(path,))
    order.start()
    assert is_taken.wait(PATIENCE_S)
    probe.start()
    probe.join(PATIENCE_S)
    is_answered = not probe.is_alive()
    goes_on.set()
    order.join(PATIENCE_S)
    assert is_answered


def test_uploads_of_one_address_are_limited(app: Any, slow: Slow) -> None:
    """Over its limit an address gets 429; other addresses, and its GET requests, are served."""
    limiter = RequestLimiter(app, max_running=1, max_uploads_per_address=2)
    first, second = slow(limiter, 2)
    assert post(limiter, Body(b"third")) == 429
    assert post(limiter, Body(b"from elsewhere"), "192.0.2.2") == 200
    assert Client(limiter).get("/", environ_overrides={"REMOTE_ADDR": "192.0.2.1"}).text == "done"
    for body in (first, second):
        body.goes_on.set()


def test_running_requests_are_limited() -> None:
    """The others wait for a slot, which an application that raises releases too."""
    inside, most, lock = 0, 0, threading.Lock()
    both = threading.Barrier(2, timeout=PATIENCE_S)

    def app(_environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        both.wait()
        with lock:
            inside -= 1
        start("200 OK", [])
        raise ValueError

    def give() -> None:
        with pytest.raises(ValueError):
            post(limiter, Body(b""))

    limiter = RequestLimiter(app, max_running=2)
    threads = [threading.Thread(target=give) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    assert most == 2


def test_a_body_over_the_limit_is_read_and_discarded(app: Any, bodies: list[bytes]) -> None:
    """The application gets one byte over the limit, by which it refuses the body."""
    stream = Body(bytes(MAX_READ_BYTES + 100_000))
    assert post(RequestLimiter(app, 1), stream) == 200
    assert [len(body) for body in bodies] == [MAX_READ_BYTES]
    assert stream.read() == b""


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "length", ["40", "4", "2", "abc", "-3", "+3", "\u0663", "3, 3", "0x3", "9" * 5000]
)
def test_a_body_that_is_not_as_long_as_announced_is_refused(
    app: Any, bodies: list[bytes], method: str, length: str
) -> None:
    """400, also for a length that is no number; the application is not called."""
    assert post(RequestLimiter(app, 1), Body(b"abc"), length=length, method=method) == 400
    assert bodies == []


def test_leading_zeros_of_a_length_do_not_matter(app: Any, bodies: list[bytes]) -> None:
    """Content-Length is a sequence of digits (RFC 9110, 8.6)."""
    for length, sent in (("003", b"abc"), ("00", b"")):
        assert post(RequestLimiter(app, 1), Body(sent), length=length) == 200
    assert bodies == [b"abc", b""]


@pytest.mark.parametrize("sent", [b"", b"abc"])
def test_a_chunked_body_is_refused(app: Any, bodies: list[bytes], sent: bytes) -> None:
    """411, whether or not anything of it arrives."""
    limiter, chunked = RequestLimiter(app, 1), {"HTTP_TRANSFER_ENCODING": "chunked"}
    assert post(limiter, Body(sent), length=None, **chunked) == 411
    assert post(limiter, Body(sent), **chunked) == 411
    assert bodies == []


def test_a_body_without_a_length_is_refused(app: Any, bodies: list[bytes]) -> None:
    """HTTP/2 frames a body without Transfer-Encoding: 411 once there is a byte of it."""
    limiter = RequestLimiter(app, 1)
    assert post(limiter, Body(b"abc"), length=None) == 411
    assert post(limiter, Body(b""), length=None) == 200
    assert bodies == [b""]


@pytest.mark.parametrize("arrived", [2 << 20, 32 << 20])
def test_a_body_over_the_limit_that_is_cut_off_is_refused(
    app: Any, bodies: list[bytes], arrived: int
) -> None:
    """413 without the application, which may not expect a body; no more than 17 MiB are read."""
    assert post(RequestLimiter(app, 1), Body(bytes(arrived)), length=str(64 << 20)) == 413
    assert bodies == []
