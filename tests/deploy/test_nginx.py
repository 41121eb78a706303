"""deploy/nginx.conf in a real nginx, with a shop behind it.

Without nginx these tests are skipped, or fail where DEPLOY_TESTS=required (in CI).
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from tests.cli import shell
from tests.deploy.nginx import NAME, Proxy, replaced, start_nginx
from tests.processes.servers import ROOT, free_port, wait_for

pytestmark = pytest.mark.deep

ORDER = {"customer_name": "Ada", "items": [{"product": "notebook-a5", "quantity": 1}]}
PLAIN_CONF = """
server {{
    listen 127.0.0.1:{port};
    location / {{
        proxy_pass http://127.0.0.1:{shop_port};
    }}
}}
"""


class ProxiedShop(Proxy):
    """nginx with a shop behind it, whose operator is ada."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        upstream = (ROOT / "deploy/nginx-upstream.conf").read_text("utf-8")
        super().__init__(folder, replaced(upstream, ("127.0.0.1:8000", f"127.0.0.1:{port}")))
        settings = {"TRUSTED_HOSTS": NAME, "TRUSTED_PROXIES": "127.0.0.1", "WORKERS": "1"}
        data = folder / "data"
        _, out, _ = shell.run(data, "key", "create", "--role", "operator", "--name", "ada")
        self.key = {"Authorization": f"Bearer {out.strip()}"}
        self._shop = shell.start(data, "serve", "--sample", PORT=str(port), **settings)

    def stop(self) -> None:
        super().stop()
        shell.end(self._shop)


def test_a_shop_without_keys_is_closed_behind_a_plain_nginx(tmp_path: Path) -> None:
    """With nothing but proxy_pass, clients of nginx are strangers, and local ones operators."""
    port, shop_port = free_port(), free_port()
    (tmp_path / "daybook.conf").write_text(PLAIN_CONF.format(port=port, shop_port=shop_port))

    def status_of(port: int, path: str) -> int:
        try:
            return httpx.get(f"http://127.0.0.1:{port}{path}", trust_env=False).status_code
        except httpx.TransportError:
            return 0

    with ExitStack() as stack:
        shop = shell.start(tmp_path / "data", "serve", PORT=str(shop_port), WORKERS="1")
        stack.callback(shell.end, shop)
        nginx = start_nginx(tmp_path)
        stack.callback(nginx.wait, shell.PATIENCE_S)
        stack.callback(nginx.terminate)
        wait_for("the shop answers through nginx", lambda: status_of(port, "/") == 200)
        assert status_of(port, "/order") == status_of(port, "/failure") == 401
        assert status_of(shop_port, "/order") == status_of(shop_port, "/failure") == 200


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProxiedShop]:
    proxy = ProxiedShop(tmp_path_factory.mktemp("proxy"))

    def answers() -> bool:
        try:
            return proxy.get("/product", **proxy.key).status_code == 200
        except httpx.TransportError:
            return False

    try:
        wait_for("the shop answers through nginx", answers)
        yield proxy
    finally:
        proxy.stop()


def test_orders_are_placed_through_the_proxy(proxy: ProxiedShop) -> None:
    """The response comes by HTTP/2, with the shop's Strict-Transport-Security."""
    answer = proxy.post("/order", ORDER, **proxy.key)
    assert (answer.status_code, answer.http_version) == (201, "HTTP/2")
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_a_client_of_the_proxy_is_not_local(proxy: ProxiedShop) -> None:
    """nginx runs on the shop's own machine, but its clients need a key."""
    assert proxy.get("/order").status_code == 401
    assert proxy.get("/failure", **proxy.key).status_code == 200


def test_forwarding_headers_of_clients_are_dropped(proxy: ProxiedShop) -> None:
    """The rate limit by address counts the real address, not the claimed one."""
    claims = {"X-Forwarded-For": "198.51.100.9", "Forwarded": "for=198.51.100.9"}
    answers = [proxy.get("/order", **headers) for headers in ({}, claims, {}, claims)]
    left = [int(each.headers["RateLimit"].split(";")[1][2:]) for each in answers]
    steps = [before - after for before, after in pairwise(left)]
    assert steps.count(1) >= 2, left  # not all three, where a minute begins between
    assert {each.status_code for each in answers} == {401}


def test_plain_http_redirects_to_tls(proxy: ProxiedShop) -> None:
    url = f"http://127.0.0.1:{proxy.plain_port}/desk?x=1"
    answer = httpx.get(url, headers={"Host": NAME}, trust_env=False)
    assert (answer.status_code, answer.headers["Location"]) == (308, f"https://{NAME}/desk?x=1")


@pytest.mark.parametrize(
    "path", ["/livez", "/readyz", "/metrics", "/livez/", "/readyz/", "/metrics/", "/metrics//"]
)
def test_monitoring_routes_are_not_public(proxy: ProxiedShop, path: str) -> None:
    assert proxy.get(path, **proxy.key).status_code == 404


def test_customers_links_are_not_logged(proxy: ProxiedShop) -> None:
    """The link allows to cancel the order, so no file of nginx has it."""
    link = "1001-" + "s" * 22
    assert proxy.get(f"/orders/{link}").status_code == 404
    proxy.get(f"/live?on=order-{link}&on=unknown")
    plain = f"http://127.0.0.1:{proxy.plain_port}/orders/{link}"
    assert httpx.get(plain, headers={"Host": NAME}, trust_env=False).status_code == 308
    too_large = {"Content-Length": str(3 * 1024 * 1024)}  # which nginx itself refuses
    assert proxy.get(f"/orders/{link}/cancel", **too_large).status_code == 413
    assert proxy.get("/product?logged=yes").status_code in (400, 401)
    log = proxy.folder / "access.log"
    wait_for("the later request is logged", lambda: "logged=yes" in log.read_text())
    assert link not in log.read_text() + log.with_name("error.log").read_text()


def test_slow_clients_take_no_thread(proxy: ProxiedShop) -> None:
    """150 clients stop half-way in a body; nginx does not pass their requests on."""
    body = json.dumps(ORDER).encode()
    head = (
        f"POST /order HTTP/1.1\r\nHost: {NAME}\r\nAuthorization: {proxy.key['Authorization']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    with ExitStack() as stack:
        slow = [stack.enter_context(closing(proxy.raw())) for _ in range(150)]
        for connection in slow:
            connection.sendall(head + body[:10])
        for _ in range(20):
            assert proxy.post("/order", ORDER, **proxy.key).status_code == 201
        # nginx ends them after client_body_timeout
        for connection in slow:
            assert connection.recv(12) in (b"", b"HTTP/1.1 408")


def test_events_reach_open_pages_at_once(proxy: ProxiedShop) -> None:
    """nginx does not buffer the messages of an event stream."""
    with closing(proxy.raw()) as connection:
        connection.sendall(
            f"GET /live?on=orders&after=0 HTTP/1.1\r\nHost: {NAME}\r\n"
            f"Authorization: {proxy.key['Authorization']}\r\n\r\n".encode()
        )
        received = b""
        while b"event: change" not in received:
            piece = connection.recv(4096)
            assert piece, received
            received += piece


def test_a_body_over_the_limit_is_refused_by_the_shop(proxy: ProxiedShop) -> None:
    """The 413 is problem+json; nginx refuses a body far over the limit itself."""
    large = {"customer_name": "a" * (1 << 20)}
    answer = proxy.post("/order", large, **proxy.key)
    assert (answer.status_code, answer.json()["status"]) == (413, 413)
    with closing(proxy.raw()) as connection:
        head = f"POST /order HTTP/1.1\r\nHost: {NAME}\r\nContent-Length: {3 << 20}\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(12) == b"HTTP/1.1 413"


def test_a_chunked_body_reaches_the_shop_with_its_length(proxy: ProxiedShop) -> None:
    """The shop itself refuses chunked bodies; nginx receives this one whole."""
    order = b'{"customer_name": "Ada"}'
    head = (
        f"POST /order HTTP/1.1\r\nHost: {NAME}\r\nAuthorization: {proxy.key['Authorization']}\r\n"
    )
    head += "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    with closing(proxy.raw()) as connection:
        connection.sendall(head.encode() + b"%x\r\n%s\r\n0\r\n\r\n" % (len(order), order))
        assert connection.recv(12) == b"HTTP/1.1 422"
