"""Receivers of webhooks on real sockets, which respond as a test says; and the names they have."""

import socket
import ssl
import threading
from collections.abc import Callable
from email import message_from_bytes
from email.message import Message
from functools import partial
from http import HTTPStatus
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import NamedTuple

from app.webhooks.sender import Found, resolve

Respond = Callable[[socket.socket], None]


class Request(NamedTuple):
    """A request as it was received."""

    line: str
    headers: Message
    body: bytes


class Receiver(ThreadingTCPServer):
    """Receives requests at a port of 127.0.0.1 and responds to each with `respond`.

    With `is_deaf`, it responds without reading anything.
    """

    daemon_threads = False

    def __init__(
        self, respond: Respond, tls: ssl.SSLContext | None = None, *, is_deaf: bool = False
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.respond, self.is_deaf = respond, is_deaf
        self.requests: list[Request] = []
        self._tls = tls
        self._thread = threading.Thread(target=partial(self.serve_forever, 0.01))
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks?shop=1"

    def get_request(self) -> tuple[socket.socket, str]:
        """Accept a connection; a handshake that fails is an error that the server ignores."""
        connection, address = self.socket.accept()
        if self._tls:
            connection = self._tls.wrap_socket(connection, server_side=True)
        return connection, address

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore a sender that closed the connection."""

    def __exit__(self, *exception: object) -> None:
        """Stop, when all responses have ended."""
        self.shutdown()
        self.server_close()
        self._thread.join()


class _Handler(BaseRequestHandler):
    server: Receiver

    def handle(self) -> None:
        if not self.server.is_deaf:
            self.server.requests.append(_read_request(self.request))
        self.server.respond(self.request)


def _read_request(connection: socket.socket) -> Request:
    with connection.makefile("rb") as stream:
        line = stream.readline().decode().strip()
        head = bytearray()
        while (field := stream.readline()) not in (b"\r\n", b""):
            head += field
        headers = message_from_bytes(bytes(head))
        return Request(line, headers, stream.read(int(headers["Content-Length"])))


def response(status: int, text: str = "", *fields: str) -> Respond:
    """Respond with this status, body and header fields."""
    head = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *fields]
    body = text.encode()
    head.append(f"Content-Length: {len(body)}")
    return send("\r\n".join([*head, "", ""]).encode() + body)


def send(*parts: bytes) -> Respond:
    """Send these bytes and close."""

    def respond(connection: socket.socket) -> None:
        for part in parts:
            connection.sendall(part)

    return respond


class Names:
    """A resolver: the addresses of each name, one answer after the other. It counts the questions.

    A name without an entry is resolved by the system.
    """

    def __init__(self, **responses: list[list[str]]) -> None:
        self._responses = {name.replace("_", "."): list(each) for name, each in responses.items()}
        self.questions = 0

    def __call__(self, host: str, port: int) -> list[Found]:
        self.questions += 1
        if host not in self._responses:
            return resolve(host, port)
        return [
            found for address in self._responses[host].pop(0) for found in resolve(address, port)
        ]
