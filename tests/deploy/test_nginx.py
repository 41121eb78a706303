"""deploy/nginx.conf in a real nginx, with a shop behind it.

Without nginx these tests are skipped, but for CI, which sets DEPLOY_TESTS=required.
"""

import getpass
import json
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
import trustme

from tests.cli import shell
from tests.processes.servers import ROOT, free_port, wait_for

pytestmark = pytest.mark.deep

NAME = "shop.example"
ORDER = {"customer_name": "Ada", "items": [{"product": "notebook-a5", "quantity": 1}]}
AROUND = """
user {user};
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{ worker_connections 1024; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/daybook.conf;
}}
"""


class Front:
    """nginx with a shop behind it; `client` speaks to it by TLS as shop.example."""

    def __init__(self, folder: Path, program: str) -> None:
        self.authority = trustme.CA()
        self.port, self.plain_port, shop_port = free_port(), free_port(), free_port()
        self._write(folder, shop_port)
        settings = {"TRUSTED_HOSTS": NAME, "TRUSTED_PROXIES": "127.0.0.1", "WORKERS": "1"}
        self.data = folder / "data"
        _, out, _ = shell.run(self.data, "key", "create", "--role", "operator", "--name", "ada")
        self.key = {"Authorization": f"Bearer {out.strip()}"}
        self.shop = shell.start(self.data, "serve", PORT=str(shop_port), **settings)
        self.nginx = subprocess.Popen(
            [program, "-p", str(folder), "-c", str(folder / "nginx.conf")],
            stderr=subprocess.DEVNULL,
        )

    def _write(self, folder: Path, shop_port: int) -> None:
        issued = self.authority.issue_cert(NAME)
        issued.private_key_pem.write_to_path(folder / "key.pem")
        issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
        text = (ROOT / "deploy/nginx.conf").read_text("utf-8")
        for given, here in (
            ("listen 443 ", f"listen 127.0.0.1:{self.port} "),
            ("listen 80;", f"listen 127.0.0.1:{self.plain_port};"),
            ("    listen [::]:443 ssl http2;\n", ""),
            ("    listen [::]:80;\n", ""),
            ("/etc/ssl/daybook", str(folder)),
            ("server 127.0.0.1:8000;", f"server 127.0.0.1:{shop_port};"),
        ):
            assert given in text
            text = text.replace(given, here)
        (folder / "daybook.conf").write_text(text)
        (folder / "nginx.conf").write_text(AROUND.format(folder=folder, user=getpass.getuser()))

    @property
    def context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context

    def client(self) -> httpx.Client:
        """It resolves shop.example by itself: the address stands in the URL, the name in TLS."""
        return httpx.Client(
            base_url=f"https://127.0.0.1:{self.port}",
            headers={"Host": NAME},
            verify=self.context,
            http2=True,
            trust_env=False,
            timeout=shell.PATIENCE_S,
        )

    def get(self, path: str, **headers: str) -> httpx.Response:
        with self.client() as client:
            return client.get(path, headers=headers, extensions={"sni_hostname": NAME})

    def post(self, path: str, body: object, **headers: str) -> httpx.Response:
        with self.client() as client:
            extensions = {"sni_hostname": NAME}
            return client.post(path, json=body, headers=headers, extensions=extensions)

    def raw(self) -> ssl.SSLSocket:
        """A connection by HTTP/1.1."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=shell.PATIENCE_S)
        return self.context.wrap_socket(plain, server_hostname=NAME)

    def end(self) -> None:
        self.nginx.terminate()
        self.nginx.wait(shell.PATIENCE_S)
        shell.end(self.shop)


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if program is None:
        assert os.environ.get("DEPLOY_TESTS") != "required", "there is no nginx"
        pytest.skip("there is no nginx")
    front = Front(tmp_path_factory.mktemp("front"), program)

    def answers() -> bool:
        try:
            return front.get("/product", **front.key).status_code == 200
        except httpx.TransportError:
            return False

    try:
        wait_for("the shop answers through nginx", answers)
        yield front
    finally:
        front.end()


def test_orders_are_placed_through_it(front: Front) -> None:
    """By HTTP/2, with what the shop says of TLS."""
    answer = front.post("/order", ORDER, **front.key)
    assert (answer.status_code, answer.http_version) == (201, "HTTP/2")
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_who_comes_through_it_is_not_local(front: Front) -> None:
    """It runs on the shop's own machine; still everybody has to show a key."""
    assert front.get("/order").status_code == 401
    assert front.get("/failure", **front.key).status_code == 200


def test_what_clients_say_of_themselves_is_dropped(front: Front) -> None:
    """The limit of addresses counts the client's own, whatever it claims to be."""
    claims = {"X-Forwarded-For": "198.51.100.9", "Forwarded": "for=198.51.100.9"}
    answers = [front.get("/order", **headers) for headers in ({}, claims, {}, claims)]
    left = [int(each.headers["RateLimit"].split(";")[1][2:]) for each in answers]
    steps = [before - after for before, after in pairwise(left)]
    assert steps.count(1) >= 2, left  # not all three, where a minute begins between
    assert {each.status_code for each in answers} == {401}


def test_plain_http_leads_to_tls(front: Front) -> None:
    url = f"http://127.0.0.1:{front.plain_port}/desk?x=1"
    answer = httpx.get(url, headers={"Host": NAME}, trust_env=False)
    assert (answer.status_code, answer.headers["Location"]) == (308, f"https://{NAME}/desk?x=1")


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
def test_what_watches_the_shop_is_not_for_the_world(front: Front, path: str) -> None:
    assert front.get(path, **front.key).status_code == 404


def test_slow_clients_reach_no_thread(front: Front) -> None:
    """A hundred and fifty stop in the middle of a body; the shop does not even hear of them."""
    body = json.dumps(ORDER).encode()
    head = (
        f"POST /order HTTP/1.1\r\nHost: {NAME}\r\nAuthorization: {front.key['Authorization']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    with ExitStack() as stack:
        slow = [stack.enter_context(closing(front.raw())) for _ in range(150)]
        for connection in slow:
            connection.sendall(head + body[:10])
        for _ in range(20):
            assert front.post("/order", ORDER, **front.key).status_code == 201
        # and nginx ends them, after client_body_timeout
        for connection in slow:
            assert connection.recv(12) in (b"", b"HTTP/1.1 408")


def test_open_pages_are_told_at_once(front: Front) -> None:
    """Nothing keeps the messages of a stream back until there are more."""
    with closing(front.raw()) as connection:
        connection.sendall(
            f"GET /live?on=orders&after=0 HTTP/1.1\r\nHost: {NAME}\r\n"
            f"Authorization: {front.key['Authorization']}\r\n\r\n".encode()
        )
        heard = b""
        while b"event: change" not in heard:
            piece = connection.recv(4096)
            assert piece, heard
            heard += piece


def test_a_body_that_is_too_large_is_told_by_the_shop(front: Front) -> None:
    """As problem+json; what is far beyond is cut off by nginx."""
    large = {"customer_name": "a" * (1 << 20)}
    answer = front.post("/order", large, **front.key)
    assert (answer.status_code, answer.json()["status"]) == (413, 413)
    with closing(front.raw()) as connection:
        head = f"POST /order HTTP/1.1\r\nHost: {NAME}\r\nContent-Length: {3 << 20}\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(12) == b"HTTP/1.1 413"
