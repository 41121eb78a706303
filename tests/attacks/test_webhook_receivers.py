"""Attacks by the receiver of a webhook, or by the person who names it.

With SSRF (CWE-918) the shop is made to call what only its own network reaches.
Other receivers try to keep the sender busy, or to fill its memory.
"""

import socket
from collections.abc import Iterator
from threading import Event

import pytest

from app.kernel.errors import Invalid, Unavailable
from app.webhooks.addresses import NOT_ALLOWED
from app.webhooks.sender import RESPONSE_MAX_BYTES, SHOWN_MAX_BYTES, Found, Response, Sender
from tests.webhooks.receivers import Names, Receiver, Respond, response

BODY = b'{"id": "event-1"}'
LOOPBACK = [
    *("127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1"),
    *("017700000001", "127.0.0.1.", "0", "0.0.0.0", "localhost", "a.localhost.", "LOCALHOST"),
    *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::127.0.0.1]", "[0:0:0:0:0:ffff:7f00:1]"),
    *("[64:ff9b::127.0.0.1]", "[2002:7f00:1::]", "[2001::7f00:1]", "[fe80::1]"),
]
METADATA = [
    *("169.254.169.254", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518"),
    *("[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "[fd00:ec2::254]"),
]


@pytest.fixture
def victim() -> Iterator[Receiver]:
    """A service of this machine that nobody outside may reach."""
    with Receiver(response(200, "the secret")) as receiver:
        yield receiver


def strict(names: Names | None = None) -> Sender:
    """A sender that may send by http, but to the Internet only."""
    return Sender(allow_http=True, allow_private=False, timeout_s=5.0, resolver=names or Names())


class TestForgedRequests:
    """SSRF: nothing of this machine and its network is ever connected to."""

    @pytest.mark.parametrize("host", [*LOOPBACK, *METADATA])
    def test_an_address_in_a_url_is_refused(self, victim: Receiver, host: str) -> None:
        """In every form that the system reads, already when the endpoint is made."""
        url = f"http://{host}:{victim.port}/"
        if host != "127.0.0.1.":  # which the system takes for a name
            with pytest.raises(Invalid, match="DAYBOOK_WEBHOOK_PRIVATE"):
                strict().check(url)
        with pytest.raises(Unavailable):
            strict().post(url, {}, BODY)
        assert victim.requests == []

    @pytest.mark.parametrize(
        "addresses",
        [
            ["127.0.0.1"],
            ["::1"],
            ["10.1.2.3"],
            ["169.254.169.254"],
            ["::ffff:127.0.0.1"],
            ["8.8.8.8", "127.0.0.1"],
            ["127.0.0.1", "8.8.8.8"],
        ],
    )
    def test_a_name_of_an_inner_address_is_refused(
        self, victim: Receiver, addresses: list[str]
    ) -> None:
        """Also if only one of its addresses is; the message does not say which."""
        names = Names(hooks_example=[addresses])
        with pytest.raises(Unavailable, match=NOT_ALLOWED) as refused:
            strict(names).post(f"http://hooks.example:{victim.port}/", {}, BODY)
        assert not any(address in str(refused.value) for address in addresses)
        assert victim.requests == []

    def test_a_name_that_changes_its_address_gains_nothing(self, victim: Receiver) -> None:
        """DNS rebinding: public when it is checked, of this machine afterwards.

        The public address is that of a datagram socket, which sends nothing when it connects.
        """
        responses: list[Found] = [
            (socket.AF_INET, socket.SOCK_DGRAM, 0, "", ("8.8.8.8", victim.port)),
            (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", victim.port)),
        ]
        sender = Sender(
            allow_http=True,
            allow_private=False,
            resolver=lambda host, port: [responses.pop(0)],
        )
        with pytest.raises(Unavailable):
            sender.post(f"http://hooks.example:{victim.port}/", {}, BODY)
        assert len(responses) == 1
        with pytest.raises(Unavailable, match=NOT_ALLOWED):
            sender.post(f"http://hooks.example:{victim.port}/", {}, BODY)
        assert victim.requests == []

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_redirect_is_not_followed(self, victim: Receiver, status: int) -> None:
        """It is a response like any other."""
        with Receiver(response(status, "", f"Location: {victim.url}")) as receiver:
            assert _post(receiver).status == status
        assert victim.requests == []

    def test_no_proxy_of_the_environment_is_used(
        self, victim: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A proxy would resolve the name again, and connect to where it leads by then."""
        for variable in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
            monkeypatch.setenv(variable, f"http://127.0.0.1:{victim.port}")
        with Receiver(response(200, "itself")) as receiver:
            assert _post(receiver).text == "itself"
        assert victim.requests == []


class TestFloods:
    """Whatever a receiver sends, and however slowly: the attempt ends, and takes little memory."""

    def test_a_gigabyte_is_not_read(self) -> None:
        """The status counts; the connection is closed after the first part of the body."""
        sent: list[int] = []

        def respond(connection: socket.socket) -> None:
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            part = b"x" * RESPONSE_MAX_BYTES
            sent.extend(connection.send(part) for _ in range(2**30 // len(part)))

        response = _post_to(respond)
        assert (response.status, response.text) == (200, "x" * SHOWN_MAX_BYTES)
        assert sum(sent) < 2**26

    @pytest.mark.parametrize(
        "endless",
        [
            b"X-A: 1\r\n",
            b"X" * 4096,
            b"HTTP/1.1 100 Continue\r\n\r\n",
            b"X-A: " + b"1" * 60_000 + b"\r\n",
        ],
        ids=["many fields", "one field", "interim responses", "long fields"],
    )
    def test_headers_without_end_are_not_read(self, endless: bytes) -> None:
        """There is no response then."""

        def respond(connection: socket.socket) -> None:
            if not endless.startswith(b"HTTP"):
                connection.sendall(b"HTTP/1.1 200 OK\r\n")
            while True:
                connection.sendall(endless)

        with pytest.raises(Unavailable, match="headers are too long"):
            _post_to(respond)

    @pytest.mark.parametrize(
        "endless", [b"1\r\nx\r\n", b"-5\r\nx\r\n", b"FFFFFFFFFFFFFFFF\r\n", b"1;" + b"x" * 4096]
    )
    def test_chunks_without_end_are_cut(self, endless: bytes) -> None:
        """Also those with sizes that cannot be."""

        def respond(connection: socket.socket) -> None:
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                connection.sendall(endless)

        assert _post_to(respond).status == 200

    def test_headers_that_drip_end_at_the_deadline(self) -> None:
        """One deadline covers the whole exchange: each byte does not bring a new one."""
        with pytest.raises(Unavailable, match=r"did not respond within 0.2 s"):
            _post_to(_drip(b"HTTP/1.1 200 OK\r\nX-A: "), timeout_s=0.2)

    def test_a_body_that_drips_ends_at_the_deadline(self) -> None:
        """What has come is shown, and the status counts."""
        response = _post_to(_drip(b"HTTP/1.1 200 OK\r\n\r\n"), timeout_s=0.2)
        assert response.status == 200
        assert set(response.text) == {"x"}

    def test_a_handshake_that_drips_ends_at_the_deadline(self) -> None:
        """TLS begins with a record of 16 KiB, a byte at a time."""
        with Receiver(_drip(b"\x16\x03\x03\x40\x00\x02"), is_deaf=True) as receiver:
            sender = Sender(allow_http=False, allow_private=True, timeout_s=0.2)
            with pytest.raises(Unavailable, match=r"within 0.2 s"):
                sender.post(receiver.url.replace("http", "https"), {}, BODY)

    def test_a_receiver_that_does_not_read_ends_at_the_deadline(self) -> None:
        """Sending is covered by the deadline, too."""
        stopped = Event()

        def respond(connection: socket.socket) -> None:
            stopped.wait()

        with Receiver(respond, is_deaf=True) as receiver:
            with pytest.raises(Unavailable, match=r"within 0.2 s"):
                _post(receiver, body=b"x" * 2**25, timeout_s=0.2)
            stopped.set()

    def test_a_name_server_that_hangs_ends_at_the_deadline(self) -> None:
        """getaddrinfo has no time-out of its own."""
        stopped = Event()

        def resolver(host: str, port: int) -> list[Found]:
            stopped.wait()
            return []

        sender = Sender(allow_http=True, allow_private=True, timeout_s=0.1, resolver=resolver)
        with pytest.raises(Unavailable, match=r"hooks.example did not respond within 0.1 s"):
            sender.post("http://hooks.example/", {}, BODY)
        stopped.set()


def _post_to(respond: Respond, timeout_s: float = 5.0) -> Response:
    with Receiver(respond) as receiver:
        return _post(receiver, timeout_s=timeout_s)


def _post(receiver: Receiver, body: bytes = BODY, timeout_s: float = 5.0) -> Response:
    """Send to a receiver on this machine, as if it were one in the Internet."""
    sender = Sender(allow_http=True, allow_private=True, timeout_s=timeout_s)
    return sender.post(receiver.url, {}, body)


def _drip(head: bytes) -> Respond:
    """Send `head` at once, then a byte every 10 ms for ever."""

    def respond(connection: socket.socket) -> None:
        connection.sendall(head)
        pause = Event()
        while not pause.wait(0.01):
            connection.sendall(b"x")

    return respond
