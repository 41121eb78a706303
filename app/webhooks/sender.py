"""Sends one webhook: a POST to an address that was checked, bounded in time and size.

The receiver is not trusted. Its name is resolved once, every address that it has is checked, and
the connection goes to one of the checked addresses, so a name that changes its address meanwhile
(DNS rebinding) gains nothing. Redirects are not followed. One deadline covers the whole exchange:
a receiver that sends a byte a second cannot prolong it. There are no proxies, cookies or passwords
from the environment, and no connection is kept.
"""

import io
import socket
import ssl
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import cached_property
from http.client import HTTPConnection, HTTPException, HTTPResponse
from threading import Thread
from time import monotonic
from typing import Any, NamedTuple, cast

from app.kernel.errors import Invalid, Unavailable
from app.kernel.release import VERSION
from app.system.os_errors import cause_of
from app.webhooks.addresses import NOT_ALLOWED, is_allowed
from app.webhooks.target import Target, parse

TIMEOUT_S = 15.0
"""The time for the whole exchange, from the name to the end of the response."""

RESPONSE_MAX_BYTES = 64 * 1024
"""The longest response that is read, headers included; the rest is cut off."""

SHOWN_MAX_BYTES = 256
"""The first part of a response's body that `Response.text` has.

It is stored in the event's record, which the outcome of each delivery to one of up to 50 endpoints
writes anew.
"""

Found = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]
"""One address of a name, as socket.getaddrinfo returns it."""

Resolver = Callable[[str, int], Sequence[Found]]
"""Returns the addresses for a host and port. Raises OSError when there are none."""


class Response(NamedTuple):
    """A receiver's response: its status, and the first part of its body as one printable line.

    The names of `headers` are in lower case, the values printable.
    """

    status: int
    text: str
    headers: Mapping[str, str]


def resolve(host: str, port: int) -> list[Found]:
    """The addresses that the system's resolver has for `host`."""
    return cast(list[Found], socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))


class Sender:
    """Sends webhooks. Safe for threads.

    `allow_private` also allows this machine, private networks and all else that is not public.
    """

    def __init__(
        self,
        *,
        allow_http: bool,
        allow_private: bool,
        timeout_s: float = TIMEOUT_S,
        resolver: Resolver = resolve,
    ) -> None:
        self._allow_http = allow_http
        self._allow_private = allow_private
        self._timeout_s = timeout_s
        self._resolver = resolver

    def check(self, url: str) -> None:
        """Raise Invalid, with the pointer /url, for a URL that no webhook can be sent to."""
        self._parse(url)

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Send `body` once and return the response, of any status. Header names are in lower case.

        A response counts from its headers on: a body that is too long, or does not come in time,
        is cut. Raises Unavailable when no response came: no address, or one that is not allowed, no
        connection, no valid certificate, no HTTP, or none of it in time; and for a URL that `check`
        refuses, as the settings may have changed since. No message has more of the URL than its
        host.
        """
        try:
            target = self._parse(url)
        except Invalid as error:
            raise Unavailable(f"The webhook's URL {error.problems[0].message}.") from None
        deadline = _Deadline(self._timeout_s)
        try:
            with self._connect(target, deadline) as sock:
                return _exchange(target, _Stream(sock, deadline), headers, body)
        except TimeoutError:
            problem = f"{target.host} did not respond within {self._timeout_s:g} s"
        except ssl.SSLCertVerificationError as error:
            cause = error.verify_message.rstrip(".")
            problem = f"The certificate of {target.host} is not valid: {cause}"
        except ssl.SSLError as error:
            problem = f"The TLS connection to {target.host} failed: {error.reason}"
        except OSError as error:
            problem = f"The connection to {target.host} failed: {cause_of(error)}"
        except HTTPException:
            problem = f"{target.host} did not respond in HTTP/1.1, or its headers are too long"
        raise Unavailable(problem + ".")

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Trusts the authorities of the system, or of SSL_CERT_FILE; loading them takes 100 ms."""
        return ssl.create_default_context()

    def _parse(self, url: str) -> Target:
        return parse(url, allow_http=self._allow_http, allow_private=self._allow_private)

    def _connect(self, target: Target, deadline: "_Deadline") -> socket.socket:
        """Connect to a checked address. TLS verifies the certificate for the name of the URL."""
        found = self._resolve(target, deadline)
        if not self._allow_private and not all(is_allowed(str(each[4][0])) for each in found):
            raise Unavailable(f"The name {target.host} leads to an address that is {NOT_ALLOWED}.")
        sock = _connect_to_first(found, deadline)
        if not target.is_tls:
            return sock
        try:
            sock.settimeout(deadline.left_s())
            return self._tls.wrap_socket(sock, server_hostname=target.host.rstrip("."))
        except BaseException:
            sock.close()
            raise

    def _resolve(self, target: Target, deadline: "_Deadline") -> Sequence[Found]:
        """Resolve the name in a thread, because getaddrinfo has no time-out of its own."""
        found: Future[Sequence[Found]] = Future()

        def look_up() -> None:
            try:
                found.set_result(self._resolver(target.host, target.port))
            except OSError as error:
                found.set_exception(error)

        try:
            Thread(target=look_up, name="webhook-resolver", daemon=True).start()
        except RuntimeError:
            raise OSError("no further thread can be started") from None
        return found.result(deadline.left_s())


def _connect_to_first(found: Sequence[Found], deadline: "_Deadline") -> socket.socket:
    """Connect to the first address that accepts; each has an equal share of the time left."""
    failed = OSError("the name has no address")
    for tried, each in enumerate(found):
        try:
            return _connect_to(each, deadline.left_s() / (len(found) - tried))
        except OSError as error:
            failed = error
    raise failed


def _connect_to(found: Found, timeout_s: float) -> socket.socket:
    """Connect to one address. Raises OSError, also when the system lacks its family (IPv6)."""
    family, kind, protocol, _, address = found
    sock = socket.socket(family, kind, protocol)
    try:
        sock.settimeout(timeout_s)
        sock.connect(address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError:
        sock.close()
        raise
    return sock


def _exchange(
    target: Target, stream: "_Stream", headers: Mapping[str, str], body: bytes
) -> Response:
    """Send the request and read the response, over a connection that is open."""
    connection = HTTPConnection(target.host, target.port)
    connection.sock = cast(socket.socket, stream)
    own = {"host": target.authority, "user-agent": f"Daybook/{VERSION}", "connection": "close"}
    # the receiver may respond, and close the connection, before it has read everything
    with suppress(BrokenPipeError, ConnectionResetError):
        connection.request("POST", target.path, body, own | dict(headers))
    response = connection.getresponse()
    shown = _read_body(response)[:SHOWN_MAX_BYTES].decode("utf-8", "replace")
    names = {name.lower() for name in response.headers}
    fields = {name: _as_line(response.getheader(name, "")) for name in names}
    return Response(response.status, _as_line(shown), fields)


def _read_body(response: HTTPResponse) -> bytes:
    """Read the body as far as it comes within the deadline and RESPONSE_MAX_BYTES."""
    body = bytearray()
    try:
        while part := response.read1(RESPONSE_MAX_BYTES):
            body += part
    except (OSError, HTTPException):
        pass  # the status has come; the body is only shown
    return bytes(body)


def _as_line(text: str) -> str:
    """Text of a stranger as one line that can be stored and shown: printable, in NFC."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return unicodedata.normalize("NFC", " ".join(printable.split()))


class _Deadline:
    """The moment at which an exchange has to be over."""

    def __init__(self, seconds: float) -> None:
        self._end = monotonic() + seconds

    def left_s(self) -> float:
        """The time left, above zero. Raises TimeoutError when there is none."""
        left_s = self._end - monotonic()
        if left_s <= 0:
            raise TimeoutError
        return left_s


class _Stream(io.RawIOBase):
    """The stream that http.client reads and writes, with the deadline and the bound of a response.

    A time-out of a socket begins anew with each byte that arrives; this one does not.
    """

    def __init__(self, sock: socket.socket, deadline: _Deadline) -> None:
        self._sock = sock
        self._deadline = deadline
        self._left_bytes = RESPONSE_MAX_BYTES

    def sendall(self, data: bytes) -> None:
        """Send all of `data`. Raises TimeoutError at the deadline."""
        unsent = memoryview(data)
        while unsent:
            self._sock.settimeout(self._deadline.left_s())
            unsent = unsent[self._sock.send(unsent) :]

    def makefile(self, mode: str) -> io.BufferedReader:
        """The response, buffered."""
        return io.BufferedReader(self)

    def close(self) -> None:
        """Do nothing: http.client closes early, but reads on. `post` closes the socket."""

    def readable(self) -> bool:
        """See io.RawIOBase."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what has arrived. Raises TimeoutError, or HTTPException beyond the bound."""
        if not self._left_bytes:
            raise HTTPException("The response is too long.")
        self._sock.settimeout(self._deadline.left_s())
        count = self._sock.recv_into(memoryview(buffer)[: self._left_bytes])
        self._left_bytes -= count
        return count
