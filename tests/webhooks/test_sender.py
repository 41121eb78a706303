"""Sending to receivers on real sockets that do as they should, or only fail."""

import socket
import ssl
from typing import Any

import pytest

from app.kernel.errors import Invalid, Unavailable
from app.kernel.release import VERSION
from app.webhooks.sender import Found, Sender, resolve
from tests.webhooks.conftest import CertificateFor, Receive
from tests.webhooks.receivers import Names, Respond, response, send

HEADERS = {"content-type": "application/cloudevents+json", "webhook-id": "event-1"}
BODY = b'{"id": "event-1"}'


def sender(**options: Any) -> Sender:
    """A sender that may send to this machine."""
    allowed: dict[str, Any] = {"allow_http": True, "allow_private": True, "timeout_s": 60.0}
    return Sender(**allowed | options)


class TestConversation:
    """One attempt, and what comes back."""

    def test_a_webhook_arrives_as_it_was_sent(self, receive: Receive) -> None:
        """As a POST with the headers and body, to the path and query of the URL."""
        receiver = receive(response(200))
        sender().post(receiver.url, HEADERS, BODY)
        [request] = receiver.requests
        assert request.line == "POST /hooks?shop=1 HTTP/1.1"
        assert request.body == BODY
        assert {name.lower(): text for name, text in request.headers.items()} == HEADERS | {
            "host": f"127.0.0.1:{receiver.port}",
            "user-agent": f"Daybook/{VERSION}",
            "connection": "close",
            "accept-encoding": "identity",
            "content-length": str(len(BODY)),
        }

    @pytest.mark.parametrize("status", [200, 202, 204, 302, 400, 410, 429, 500, 503])
    def test_every_status_is_an_answer(self, receive: Receive, status: int) -> None:
        """The caller decides what it means."""
        receiver = receive(response(status, "" if status == 204 else "heard"))
        received = sender().post(receiver.url, HEADERS, BODY)
        assert (received.status, received.text) == (status, "" if status == 204 else "heard")

    def test_the_headers_of_an_answer_have_names_in_lower_case(self, receive: Receive) -> None:
        """A header that comes twice has both values."""
        receiver = receive(response(200, "", "Webhook-Delivery: disable", "X-A: 1", "x-a: 2"))
        headers = sender().post(receiver.url, HEADERS, BODY).headers
        assert (headers["webhook-delivery"], headers["x-a"]) == ("disable", "1, 2")

    def test_the_text_of_an_answer_is_one_printable_line(self, receive: Receive) -> None:
        """Control characters, directions of text and what is not UTF-8 do not come through."""
        body = "a\x1b[31mb\r\n\tc\u202ed\u2028e\x00".encode() + b"\xff"
        receiver = receive(
            send(
                b"HTTP/1.1 500 Oops\r\nX-A: \x1b[31m\xe9\r\nContent-Length: %d\r\n\r\n" % len(body),
                body,
            )
        )
        received = sender().post(receiver.url, HEADERS, BODY)
        assert received.text == "a [31mb c d e �"
        assert received.headers["x-a"] == "[31mé"

    def test_a_chunked_answer_is_read(self, receive: Receive) -> None:
        """Chunks are put together."""
        chunks = b"Transfer-Encoding: chunked\r\n\r\n3\r\nhea\r\n2\r\nrd\r\n0\r\n\r\n"
        receiver = receive(send(b"HTTP/1.1 200 OK\r\n", chunks))
        assert sender().post(receiver.url, HEADERS, BODY).text == "heard"

    @pytest.mark.parametrize(
        ("rest", "text"),
        [
            (b"Content-Length: 100\r\n\r\nhal", "hal"),
            (b"Transfer-Encoding: chunked\r\n\r\n3\r\nhal\r\nf\r\n", "hal"),
            (b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n", ""),
        ],
    )
    def test_a_status_counts_without_the_rest_of_its_body(
        self, receive: Receive, rest: bytes, text: str
    ) -> None:
        """The receiver has said that it has the event."""
        received = sender().post(receive(send(b"HTTP/1.1 200 OK\r\n", rest)).url, HEADERS, BODY)
        assert (received.status, received.text) == (200, text)

    def test_an_answer_that_comes_before_the_end_of_the_request_counts(
        self, receive: Receive
    ) -> None:
        """A receiver may refuse a webhook by its headers, and close the connection."""
        receiver = receive(response(410, "gone"), is_deaf=True)
        received = sender().post(receiver.url, HEADERS, b"x" * 2**24)
        assert (received.status, received.text) == (410, "gone")

    @pytest.mark.parametrize("respond", [send(), send(b"SSH-2.0-OpenSSH\r\n"), send(b"HTTP/1.1 2")])
    def test_what_is_no_answer_can_be_retried(self, receive: Receive, respond: Respond) -> None:
        """A connection that closes early, or speaks another protocol."""
        with pytest.raises(Unavailable):
            sender().post(receive(respond).url, HEADERS, BODY)

    def test_an_address_of_a_family_that_the_system_lacks_is_passed_over(
        self, receive: Receive
    ) -> None:
        """The next address of the name is tried, as IPv4 where there is no IPv6."""
        receiver = receive(response(200, "heard"))

        def resolver(_host: str, port: int) -> list[Found]:
            lacking = (socket.AF_X25, socket.SOCK_STREAM, 0, "", ("::1", port))
            return [lacking, *resolve("127.0.0.1", port)]

        names = Sender(allow_http=True, allow_private=True, resolver=resolver)
        assert names.post(receiver.url, HEADERS, BODY).text == "heard"

    def test_a_connection_that_is_refused_can_be_retried(self) -> None:
        """The message names the host, and nothing else of the URL."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
            with pytest.raises(Unavailable, match=r"^The connection to 127.0.0.1 failed: Conn"):
                sender().post(f"http://127.0.0.1:{port}/?token=secret", HEADERS, BODY)

    def test_a_name_without_an_address_can_be_retried(self) -> None:
        """The name service may be out of order."""

        def resolver(host: str, port: int) -> Any:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        with pytest.raises(Unavailable, match=r"hooks.example failed: Name or service not known.$"):
            sender(resolver=resolver).post("http://hooks.example/", HEADERS, BODY)

    def test_the_next_address_of_a_name_is_tried(self, receive: Receive) -> None:
        """An address that refuses the connection does not end the attempt."""
        receiver = receive(response(200))
        names = Names(hooks_example=[["127.0.0.2", "127.0.0.1"]])
        url = f"http://hooks.example:{receiver.port}/"
        assert sender(resolver=names).post(url, HEADERS, BODY).status == 200
        assert receiver.requests[0].headers["Host"] == f"hooks.example:{receiver.port}"


class TestTls:
    """The certificate is that of the name in the URL."""

    def test_the_name_of_the_url_is_asked_for_and_verified(
        self, receive: Receive, certificate_for: CertificateFor
    ) -> None:
        """The connection goes to the address; SNI, certificate and Host have the name."""
        asked: list[str] = []
        tls = certificate_for("hooks.example")
        tls.sni_callback = lambda connection, name, context: asked.append(name)
        receiver = receive(response(200), tls)
        names = Names(hooks_example=[["127.0.0.1"]])
        url = f"https://hooks.example:{receiver.port}/"
        assert sender(resolver=names).post(url, HEADERS, BODY).status == 200
        assert asked == ["hooks.example"]
        assert receiver.requests[0].headers["Host"] == f"hooks.example:{receiver.port}"

    def test_a_certificate_of_another_name_is_refused(
        self, receive: Receive, certificate_for: CertificateFor
    ) -> None:
        """Nothing was sent."""
        receiver = receive(response(200), certificate_for("other.example"))
        names = Names(hooks_example=[["127.0.0.1"]])
        with pytest.raises(Unavailable, match=r"certificate of hooks.example is not valid: Hostn"):
            sender(resolver=names).post(f"https://hooks.example:{receiver.port}/", HEADERS, BODY)
        assert receiver.requests == []

    def test_a_certificate_of_an_unknown_authority_is_refused(
        self, receive: Receive, certificate_for: CertificateFor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Also one that the receiver made for itself."""
        receiver = receive(response(200), certificate_for("127.0.0.1"))
        monkeypatch.delenv("SSL_CERT_FILE")
        with pytest.raises(Unavailable, match=r"certificate of 127.0.0.1 is not valid: "):
            sender().post(f"https://127.0.0.1:{receiver.port}/", HEADERS, BODY)

    def test_a_receiver_without_tls_can_be_retried(self, receive: Receive) -> None:
        """https is never changed to http."""
        receiver = receive(response(200), is_deaf=True)
        with pytest.raises(Unavailable, match=r"^The TLS connection to 127.0.0.1 failed: "):
            sender().post(f"https://127.0.0.1:{receiver.port}/", HEADERS, BODY)

    def test_old_versions_of_tls_are_refused(
        self, receive: Receive, certificate_for: CertificateFor
    ) -> None:
        """TLS 1.2 is the oldest."""
        tls = certificate_for("127.0.0.1")
        tls.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning):
            tls.minimum_version = ssl.TLSVersion.TLSv1
            tls.maximum_version = ssl.TLSVersion.TLSv1_1
        receiver = receive(response(200), tls)
        with pytest.raises(Unavailable):
            sender().post(f"https://127.0.0.1:{receiver.port}/", HEADERS, BODY)


class TestUrl:
    """A URL is checked when an endpoint is made, and again before each attempt."""

    @pytest.mark.parametrize(
        "url",
        [
            "https://hooks.example",
            "https://hooks.example:8443/a/b?token=x%20y",
            "https://xn--bcher-kva.example/",
            "HTTPS://Hooks.Example./",
            "https://my_service/",
            "https://8.8.8.8/",
            "https://[2606:4700:4700::1111]:8443/",
        ],
    )
    def test_a_sound_url_is_accepted(self, url: str) -> None:
        """Without asking what the name leads to, which may change."""
        Sender(allow_http=False, allow_private=False, resolver=Names()).check(url)

    @pytest.mark.parametrize(
        ("url", "message"),
        [
            ("", "https://"),
            ("hooks.example", "https://"),
            ("//hooks.example/", "https://"),
            ("ftp://hooks.example/", "https://"),
            ("file:///etc/passwd", "https://"),
            ("http://hooks.example/", "DAYBOOK_WEBHOOK_HTTP"),
            ("https://", "host name"),
            ("https:///path", "host name"),
            ("https://:443/", "host name"),
            ("https://a..b/", "host name"),
            ("https://" + "a" * 64 + ".example/", "host name"),
            ("https://hooks.example%2f@evil.example/", "user or password"),
            ("https://ada:secret@hooks.example/", "user or password"),
            ("https://ada@hooks.example/", "user or password"),
            ("https://hooks.example:0/", "port 0"),
            ("https://hooks.example:65536/", "not a URL"),
            ("https://hooks.example:x/", "not a URL"),
            ("https://[fe80::1%25eth0]/", "host name"),
            ("https://[::1/", "not a URL"),
            ("https://[2606:4700::1]evil.example/", "host name"),
            ("https://hooks.example[2606:4700::1]/", "host name"),
            ("https://[v1.x]/", "host name"),
            ("https://hooks.example:/", "host name"),
            ("https://hooks.example:0443/", "host name"),
            ("https://hooks.example:+443/", "not a URL"),
            ("https://hooks.example/#part", "fragment"),
            ("https://hooks.example/#", "fragment"),
            ("https://hooks.example\\@evil.example/", "ASCII"),
            ("https://hooks.example/a b", "ASCII"),
            ("https://hooks.example/\r\nX-A: 1", "ASCII"),
            ("https://bücher.example/", "ASCII"),
            ("https://①②⑦.⓪.⓪.①/", "ASCII"),
            ("https://hooks.example/" + "a" * 2000, "at most 2000"),
        ],
    )
    def test_an_unsound_url_is_refused(self, url: str, message: str) -> None:
        """By `check` with a sentence for the field; by `post` as an outage, which may pass."""
        strict = Sender(allow_http=False, allow_private=False, resolver=Names())
        with pytest.raises(Invalid, match=message) as refused:
            strict.check(url)
        assert [problem.pointer for problem in refused.value.problems] == ["/url"]
        with pytest.raises(Unavailable, match=message):
            strict.post(url, HEADERS, BODY)

    def test_no_message_has_the_secret_parts_of_a_url(self) -> None:
        """A path or query may be the receiver's password."""
        names = Names(hooks_example=[["10.0.0.1"]])
        strict = Sender(allow_http=False, allow_private=False, resolver=names)
        with pytest.raises(Unavailable) as refused:
            strict.post("https://hooks.example/T0P?token=s3cret", HEADERS, BODY)
        assert "hooks.example" in str(refused.value)
        assert not [part for part in ("T0P", "s3cret", "10.0.0.1") if part in str(refused.value)]
