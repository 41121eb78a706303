"""Origin and host checks, and security headers."""

from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from app import create_app
from app.config import Config
from app.http.security.origin import SECURITY_HEADERS
from tests.over_http import place


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8000", "LOCALHOST", "127.0.0.1:8000", "[::1]", "[::1]:8000"],
)
def test_local_host_names_are_trusted_by_default(client: FlaskClient, host: str) -> None:
    """They are the local names and the address on which the server listens."""
    assert client.get("/order", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.example#localhost",
        "localhost@evil.example",
        "[::1",
        "[::2]",
        "",
        " ",
    ],
)
def test_other_host_names_are_refused(client: FlaskClient, host: str) -> None:
    """A site whose name resolves to this machine (DNS rebinding) reads and changes nothing."""
    response = client.get("/order", headers={"Host": host})
    assert response.status_code in (400, 421)
    assert response.mimetype == "application/problem+json"


def test_only_the_trusted_hosts_of_the_setting_count(config: Config) -> None:
    """The local names are then refused."""
    app = create_app(replace(config, trusted_hosts=frozenset({"shop.example"})))
    client = app.test_client()
    assert client.get("/order", headers={"Host": "shop.example"}).status_code == 200
    assert client.get("/order", headers={"Host": "localhost"}).status_code == 421
    app.extensions["daybook"].close()


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_probes_may_use_any_host_name(client: FlaskClient, path: str) -> None:
    """A load balancer calls them by the server's address, which no setting knows beforehand."""
    assert client.get(path, headers={"Host": "192.0.2.7:8000"}).status_code in (200, 503)


@pytest.mark.parametrize("path", ["/order", "/order/none", "/none"])
def test_responses_have_the_security_headers(client: FlaskClient, path: str) -> None:
    """Errors have them too."""
    headers = client.get(path).headers
    assert {name: headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS


def test_only_documents_with_an_etag_are_kept_by_clients(
    client: FlaskClient, catalogue: dict[str, str]
) -> None:
    """They are private and revalidated; whatever else is private is not stored at all."""
    order = place(client, tea=1)
    path = "/product/mug"
    document = client.get(path)
    assert document.headers["Cache-Control"] == "private, no-cache"
    unchanged = client.get(path, headers={"If-None-Match": document.headers["ETag"]})
    assert (unchanged.status_code, unchanged.headers["Cache-Control"]) == (304, "private, no-cache")
    for private in ("/order", "/product", "/event", "/desk", f"/orders/{order['link']}"):
        assert client.get(private).headers["Cache-Control"] == "no-store"
    csv = client.get("/order", headers={"Accept": "text/csv"})
    assert csv.headers["Cache-Control"] == "no-store"


def test_search_engines_index_the_shop_only(client: FlaskClient, catalogue: dict[str, str]) -> None:
    """Neither a customer's page, nor its receipt, nor an error or an answer of the API."""
    link = place(client, tea=1)["link"]
    for path in (f"/orders/{link}", f"/orders/{link}/receipt.pdf", "/orders/none", "/order"):
        assert client.get(path).headers["X-Robots-Tag"] == "noindex"
    assert client.get("/").headers["X-Robots-Tag"] == "all"


def test_pages_keep_their_own_content_security_policy(client: FlaskClient) -> None:
    """It allows the style sheet of the pages."""
    policy = client.get("/").headers["Content-Security-Policy"]
    assert "style-src 'self'" in policy


@pytest.mark.parametrize(
    "host",
    ["", " ", "a b", "localhost,localhost", "localhost:x", "[::1", "a@localhost", "a/b", "a" * 256],
)
def test_a_request_without_one_valid_host_is_refused(client: FlaskClient, host: str) -> None:
    """400 (RFC 9112, 3.2); two Host fields arrive joined by a comma."""
    assert client.get("/order", environ_overrides={"HTTP_HOST": host}).status_code == 400


@pytest.mark.parametrize(
    ("version", "status"), [("HTTP/1.0", 200), ("HTTP/1", 200), ("HTTP/2", 400)]
)
def test_http_1_0_needs_no_host(config: Config, version: str, status: int) -> None:
    """Whatever the trusted hosts are: a health check of a load balancer often sends none."""
    app = create_app(replace(config, trusted_hosts=frozenset({"shop.example"})))
    environ = {"HTTP_HOST": "", "SERVER_PROTOCOL": version}
    assert app.test_client().get("/livez", environ_overrides=environ).status_code == status
    app.extensions["daybook"].close()
