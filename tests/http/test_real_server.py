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
from typing import Any
from urllib.parse import urlencode

import pytest

from app.config import PREFIX
from tests.conftest import PATIENCE_S
from tests.processes.servers import free_port

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


def exchange(port: int, text: bytes, *, closes: bool = False) -> tuple[int, str]:
    """Send raw bytes on a new connection; returns the status and the whole response.

    A client that `closes` sends nothing more, and still reads.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
        connection.sendall(text)
        if closes:
            connection.shutdown(socket.SHUT_WR)
        response = b""
        while piece := connection.recv(65536):
            response += piece
    return int(response.split(b" ", 2)[1]), response.decode("utf-8", "replace")


@pytest.mark.parametrize(("chunked", "status"), [(True, 411), (False, 413)])
def test_a_body_over_the_limit_is_refused_with_or_without_length(
    port: int, chunked: bool, status: int
) -> None:
    """The client can read the 413, and the 411 when it sent no length."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    body = b'{"customer_name": "' + b"a" * (1 << 20) + b'"}'
    headers = {"Content-Type": "application/json"}
    chunks = iter([body[:65536], body[65536:]]) if chunked else body
    connection.request("POST", "/order", chunks, headers, encode_chunked=chunked)
    response = connection.getresponse()
    problem = json.loads(response.read())
    assert (response.status, problem["status"]) == (status, status)
    connection.close()


def test_a_client_with_the_wrong_media_type_can_read_the_response(port: int) -> None:
    """A large body is read before it is refused."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    connection.request("POST", "/order", b"a" * (1 << 20), {"Content-Type": "text/plain"})
    assert connection.getresponse().status == 415
    connection.close()


def test_a_chunked_body_is_refused_before_its_content(port: int) -> None:
    """411 for an order sent in chunks; with a length, its product is what is wrong."""
    order = {"customer_name": "Ada", "items": [{"product": "nothing-like-this", "quantity": 1}]}
    headers, body = {"Content-Type": "application/json"}, json.dumps(order).encode()
    chunks = (body[place : place + 7] for place in range(0, len(body), 7))
    for sent, expected in ((chunks, (411, [])), (body, (422, ["/items/0/product"]))):
        connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        connection.request("POST", "/order", sent, headers, encode_chunked=sent is chunks)
        response = connection.getresponse()
        pointers = [each["pointer"] for each in json.loads(response.read())["errors"]]
        assert (response.status, pointers) == expected
        connection.close()


def call(port: int, method: str, path: str, document: object = None, **headers: str) -> Any:
    """Send a whole request; returns the JSON of the response, or its text."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    body = None if document is None else json.dumps(document)
    connection.request(method, path, body, {"Content-Type": "application/json"} | headers)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    assert response.status < 400, text
    return json.loads(text) if response.headers["Content-Type"] == "application/json" else text


@pytest.fixture(scope="module")
def order(port: int) -> str:
    """The path of an order of three lines, whose handlers are done."""
    lines = [{"product": sku, "quantity": 1} for sku in ("notebook-a5", "ink-blue", "pencil-hb")]
    placed = call(
        port, "POST", "/order", {"customer_name": "Ada", "items": lines}, Prefer="wait=10"
    )
    return f"/order/{placed['number']}"


CHUNKED = b"Transfer-Encoding: chunked\r\n"
CUT_OFF = {
    "no byte of the body": (b"Content-Length: 40\r\n", b""),
    "a part of the body": (b"Content-Length: 40\r\n", b'{"reason": "'),
    "no chunk": (CHUNKED, b""),
    "no last chunk": (CHUNKED, b"2\r\n{}\r\n"),
    "a part of a chunk": (CHUNKED, b"40\r\n{}"),
    "a size that is no number": (CHUNKED, b"2\r\n{}\r\nzz\r\n"),
    "no end after the last chunk": (CHUNKED, b"2\r\n{}\r\n0\r\n"),
}


@pytest.mark.parametrize("title", CUT_OFF)
@pytest.mark.parametrize(("method", "suffix"), [("POST", "/cancel"), ("DELETE", ""), ("PATCH", "")])
def test_a_request_that_is_cut_off_changes_nothing(
    port: int, order: str, method: str, suffix: str, title: str
) -> None:
    """RFC 9112, section 8: an incomplete message is refused, whether a body is expected or not."""
    framing, sent = CUT_OFF[title]
    before = call(port, "GET", order)
    head = f"{method} {order}{suffix} HTTP/1.1\r\nHost: localhost\r\n".encode()
    head += b"Connection: close\r\n" + framing + b"\r\n"
    status, _ = exchange(port, head + sent, closes=True)
    assert status == (411 if framing == CHUNKED else 400)
    assert call(port, "GET", order) == before


def test_a_form_that_is_cut_off_changes_nothing(port: int, order: str) -> None:
    """Of 400 bytes 150 come, which name one line of the order: it keeps its three lines."""
    before = call(port, "GET", order)
    page = "/desk/" + order.rpartition("/")[2]
    fields = {"csrf_token": "a" * 22, "version": before["version"], "customer_name": "Ada"}
    fields |= {"customer_email": "ada.lovelace@example.org"}
    fields |= {"product.0": "notebook-a5", "quantity.0": "1"}
    form = urlencode(fields).encode().ljust(150, b"0")  # the quantity, which is cut off as well
    head = f"POST {page} HTTP/1.1\r\nHost: localhost\r\nCookie: daybook_form={'a' * 22}\r\n"
    head += "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 400\r\n\r\n"
    status, _ = exchange(port, head.encode() + form, closes=True)
    assert status == 400
    assert call(port, "GET", order) == before


def test_a_request_without_a_body_needs_no_length(port: int, order: str) -> None:
    """An order is cancelled by a POST with neither Content-Length nor Transfer-Encoding."""
    head = f"POST {order}/cancel HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert exchange(port, head.encode())[0] == 200
    assert call(port, "GET", order)["status"] == "cancelled"


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
        (b"get /order HTTP/1.1", 501),
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


@pytest.mark.parametrize(
    ("version", "hosts", "status"),
    [
        (b"1.1", b"", 400),
        (b"1.1", b"Host:\r\n", 400),
        (b"1.1", b"Host: localhost\r\nHost: localhost\r\n", 400),
        (b"1.1", b"Host: evil.test\r\n", 421),
        (b"1.0", b"", 401),
        (b"1.0", b"Host: evil.test\r\n", 421),
    ],
)
def test_one_host_is_needed_from_http_1_1_on(
    port: int, version: bytes, hosts: bytes, status: int
) -> None:
    """RFC 9112, 3.2. Without a Host, HTTP/1.0 is served, though never as local."""
    head = b"GET /order HTTP/%s\r\n%sConnection: close\r\n\r\n" % (version, hosts)
    assert exchange(port, head)[0] == status
