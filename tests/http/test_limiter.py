"""Bodies are waited for outside of the places where requests are worked on."""

import threading
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

import pytest
from werkzeug.test import Client, EnvironBuilder, run_wsgi_app

from app.http.requests.body import MAX_READ_BYTES
from app.http.requests.limiter import RequestLimiter

PATIENCE_S = 20.0


class SlowBody:
    """A body whose client sends nothing until it is told to."""

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
    """The bodies that have been worked on."""
    return []


@pytest.fixture
def app(bodies: list[bytes]) -> Callable[..., Any]:
    def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        bodies.append(environ["wsgi.input"].read())
        start("200 OK", [])
        return [b"done"]

    return app


def post(limiter: RequestLimiter, body: Any, address: str = "192.0.2.1") -> int:
    environ = EnvironBuilder(method="POST").get_environ()
    environ |= {"wsgi.input": body, "REMOTE_ADDR": address}
    return int(run_wsgi_app(limiter, environ)[1].split()[0])


@pytest.fixture
def slow() -> Iterable[Callable[[RequestLimiter, int], list[SlowBody]]]:
    """A function that has so many slow clients begin to send to an application."""
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


def test_slow_bodies_hold_no_place(app: Any, slow: Slow, bodies: list[bytes]) -> None:
    """Five are on their way where one request is worked on at a time, and others pass by."""
    limiter = RequestLimiter(app, max_running=1)
    slow(limiter, 5)
    assert post(limiter, BytesIO(b"quick")) == 200
    assert Client(limiter).get("/").status_code == 200
    assert bodies == [b"quick", b""]


def test_one_address_gets_a_part_of_the_room(app: Any, slow: Slow) -> None:
    """Others are still served; and so is it, once its bodies have come."""
    limiter = RequestLimiter(app, max_running=1, max_uploads_per_address=2)
    first, second = slow(limiter, 2)
    assert post(limiter, BytesIO(b"third")) == 429
    assert post(limiter, BytesIO(b"from elsewhere"), "192.0.2.2") == 200
    assert Client(limiter).get("/", environ_overrides={"REMOTE_ADDR": "192.0.2.1"}).text == "done"
    for body in (first, second):
        body.goes_on.set()


def test_no_more_than_so_many_are_worked_on_at_once() -> None:
    """The rest wait for a place, and get one, also after an application that failed."""
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
            post(limiter, BytesIO(b""))

    limiter = RequestLimiter(app, max_running=2)
    threads = [threading.Thread(target=give) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    assert most == 2


def test_what_is_too_large_is_taken_in_but_not_kept(app: Any, bodies: list[bytes]) -> None:
    """One byte more than may be, so that it is seen."""
    stream = BytesIO(bytes(MAX_READ_BYTES + 100_000))
    assert post(RequestLimiter(app, 1), stream) == 200
    assert [len(body) for body in bodies] == [MAX_READ_BYTES]
    assert stream.read() == b""
