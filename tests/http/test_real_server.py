"""Behaviour of a real server process: chunked bodies, raw paths, malformed request lines."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic, sleep

import pytest

from app.config import PREFIX
from tests.processes.servers import free_port

PATIENCE_S = 30.0
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of `flask serve` on a folder of its own."""
    port = free_port()
    settings = {"DATA": str(tmp_path_factory.mktemp("data")), "PORT": str(port), "WORKERS": "1"}
    clean = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    server = subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "wsgi", "serve", "--sample"],
        cwd=ROOT,
        env=clean | {PREFIX + name: value for name, value in settings.items()},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until_it_accepts_connections(server, port)
        yield port
    finally:
        server.terminate()
        server.wait(PATIENCE_S)


def wait_until_it_accepts_connections(server: "subprocess.Popen[bytes]", port: int) -> None:
    """Return once the server accepts connections."""
    deadline = monotonic() + PATIENCE_S
    while True:
        assert server.poll() is None, "the server ended"
        assert monotonic() < deadline, "the server does not answer"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            sleep(0.05)


def exchange(port: int, text: bytes) -> tuple[int, str]:
    """Send raw bytes on a new connection; returns the status and the whole response."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
        connection.sendall(text)
        response = b""
        while piece := connection.recv(65536):
            response += piece
    return int(response.split(b" ", 2)[1]), response.decode("utf-8", "replace")


@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_over_the_limit_is_refused_with_or_without_length(port: int, chunked: bool) -> None:
    """The client can read the 413, also when it sent no length."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    body = b'{"customer_name": "' + b"a" * (1 << 20) + b'"}'
    headers = {"Content-Type": "application/json"}
    chunks = iter([body[:65536], body[65536:]]) if chunked else body
    connection.request("POST", "/order", chunks, headers, encode_chunked=chunked)
    response = connection.getresponse()
    problem = json.loads(response.read())
    assert (response.status, problem["status"]) == (413, 413)
    connection.close()


def test_a_client_with_the_wrong_media_type_can_read_the_response(port: int) -> None:
    """A large body is read before it is refused."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    connection.request("POST", "/order", b"a" * (1 << 20), {"Content-Type": "text/plain"})
    assert connection.getresponse().status == 415
    connection.close()


def test_a_chunked_body_is_read_like_any_other(port: int) -> None:
    """An order sent in chunks is placed."""
    order = {"customer_name": "Ada", "items": [{"product": "nothing-like-this", "quantity": 1}]}
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    chunks = iter(json.dumps(order)[place : place + 7].encode() for place in range(0, 90, 7))
    headers = {"Content-Type": "application/json"}
    connection.request("POST", "/order", chunks, headers, encode_chunked=True)
    response = connection.getresponse()
    pointers = [each["pointer"] for each in json.loads(response.read())["errors"]]
    assert (response.status, pointers) == (422, ["/items/0/product"])
    connection.close()


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /order/%00 HTTP/1.1", 404),
        (b"GET /order/%ff%ed%a0%80 HTTP/1.1", 404),
        (b"GET /order?customer=%ed%a0%80 HTTP/1.1", 200),
        (b"GET /order?%00=1 HTTP/1.1", 400),
        (b"GET /order?status=%00 HTTP/1.1", 400),
        (b"GET /order?a&b&c HTTP/1.1", 400),
        (b"GET /" + b"a" * 4000 + b" HTTP/1.1", 404),
        (b"GET //evil.test/%2e%2e HTTP/1.1", 404),
        (b"OPTIONS * HTTP/1.1", 404),
        (b"GET http://evil.test/order HTTP/1.1", 200),
        (b"TRACE /order HTTP/1.1", 405),
    ],
)
def test_malformed_request_lines_never_cause_a_500(
    port: int, request_line: bytes, status: int
) -> None:
    """Any path and query gets a response below 500."""
    head = request_line + b"\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert exchange(port, head)[0] == status


@pytest.mark.parametrize(
    "header",
    [
        b"Host: a b",
        b"Host: localhost:99999999",
        b"Host: [::1",
        b"Host: \xc3\xa4.test",
        b"Host: localhost\r\nIf-None-Match: \xff",
        b"Host: localhost\r\nAccept: \xe2\x82\xac;q=x",
        b"Host: localhost\r\nCookie: \xff=\x01",
        b"Host: localhost\r\nOrigin: http://[",
    ],
)
def test_malformed_headers_never_cause_a_500(port: int, header: bytes) -> None:
    """A malformed header is ignored or refused."""
    assert exchange(port, b"GET /order HTTP/1.1\r\n" + header + b"\r\nConnection: close\r\n\r\n")[
        0
    ] in (200, 400, 421)


def test_head_sends_no_body(port: int) -> None:
    """HEAD has the length of GET and nothing after the headers."""
    head = b"HEAD /order HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    status, response = exchange(port, head)
    assert status == 200
    assert response.endswith("\r\n\r\n")


@pytest.mark.parametrize(
    "head",
    [
        b"GET /product HTTP/1.1\r\nHost: localhost\r\nX-Large: %s\r\n\r\n" % (b"a" * (150 << 10)),
        b"GET /product?q=%s HTTP/1.1\r\nHost: localhost\r\n\r\n" % (b"a" * (150 << 10)),
        b"GET /product HTTP/1.1\r\nHost: localhost\r\n%s\r\n" % (b"X-Many: a\r\n" * 120),
    ],
    ids=["a long header", "a long address", "many headers"],
)
def test_headers_that_are_too_large_are_refused(port: int, head: bytes) -> None:
    """The server itself refuses more than 64 KiB, or more than 100 headers."""
    status, _ = exchange(port, head)
    assert status in (414, 431)
