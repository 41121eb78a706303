"""HEAD, OPTIONS, trailing slashes, and methods that a resource does not have."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from tests.over_http import place, read, request_for


@pytest.fixture(autouse=True)
def order(client: FlaskClient, catalogue: dict[str, str], settled: Callable[[], None]) -> None:
    """A settled order, number 1001."""
    place(client, tea=1)
    settled()


@pytest.mark.parametrize("path", ["/order", "/order/1001", "/order/1001/events", "/product/tea"])
def test_head_is_get_without_a_body(client: FlaskClient, path: str) -> None:
    """HEAD has the same status and headers, and no body."""
    got, head = client.get(path), client.head(path)
    assert (head.status_code, head.data) == (200, b"")
    assert head.headers["Content-Length"] == str(len(got.data))
    assert head.headers.get("ETag") == got.headers.get("ETag")


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/order", "GET, HEAD, OPTIONS, POST"),
        ("/order/1001", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ("/order/1001/cancel", "OPTIONS, POST"),
        ("/product/tea", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ("/product/tea/green/stock", "GET, HEAD, OPTIONS, POST"),
    ],
)
def test_options_and_405_list_the_methods(client: FlaskClient, path: str, methods: str) -> None:
    """Allow is in the response to OPTIONS and in every 405."""
    for response in (client.options(path), client.put(path, json={})):
        assert ", ".join(sorted(response.headers["Allow"].split(", "))) == methods
    refused = client.put(path, json={})
    assert refused.status_code == 405
    assert (refused.json or {})["detail"].endswith(f"{refused.headers['Allow']}.")


def test_options_list_the_media_types_of_a_patch(client: FlaskClient) -> None:
    """Accept-Patch is in OPTIONS (RFC 5789), and in the 415 for another media type."""
    types = "application/merge-patch+json, application/json"
    assert client.options("/order/1001").headers["Accept-Patch"] == types
    assert "Accept-Patch" not in client.options("/order").headers
    refused = client.patch("/order/1001", data="{}", content_type="text/plain")
    assert (refused.status_code, refused.headers["Accept-Patch"]) == (415, types)


def test_a_wrong_media_type_is_refused_with_the_accepted_ones(client: FlaskClient) -> None:
    """415 has Accept (RFC 9110, 15.5.16)."""
    refused = client.post("/order", data="<order/>", content_type="application/xml")
    assert refused.headers["Accept"] == "application/json"
    assert client.post(
        "/order", data=b"x", content_type="application/json", headers={"Content-Encoding": "br"}
    ).headers["Accept-Encoding"] == ("identity")


@pytest.mark.parametrize("path", ["/order", "/order/1001", "/order/1001/events", "/product/tea"])
def test_a_trailing_slash_makes_no_difference(client: FlaskClient, path: str) -> None:
    """The same response without a redirect, which would turn a POST into a GET."""
    assert client.get(f"{path}/").data == client.get(path).data


@pytest.mark.parametrize("body", [None, b"{}"])
def test_cancel_needs_no_body(client: FlaskClient, body: bytes | None) -> None:
    """A POST without a body cancels; so does one with an empty object."""
    response = client.post(
        "/order/1001/cancel", data=body, content_type="application/json" if body else None
    )
    assert (response.status_code, read(client, "/order/1001")["status"]) == (200, "cancelled")


def test_cancel_refuses_a_form(client: FlaskClient) -> None:
    """Any web page can send a form, so even an empty one is refused."""
    response = client.post("/order/1001/cancel", content_type="application/x-www-form-urlencoded")
    assert response.status_code == 415


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Origin": "http://localhost"}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://localhost"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://localhost"}, 403),
        ({"Origin": "http://localhost.evil.test"}, 403),
        ({"Origin": "http://localhost:81"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://[bad"}, 403),
    ],
)
def test_requests_of_other_sites_change_nothing(
    client: FlaskClient, headers: dict[str, str], status: int
) -> None:
    """A browser sends the origin of the page, and pages of other sites are refused."""
    assert client.post("/order/1001/cancel", headers=headers).status_code == status
    assert client.get("/order/1001", headers=headers).status_code == 200


@pytest.mark.parametrize("method", ["get", "Get", "post", "Delete", "head"])
def test_methods_are_case_sensitive(client: FlaskClient, method: str) -> None:
    """501 for a method that only looks like one (RFC 9110, 9.1), and nothing happens."""
    before = read(client, "/order"), read(client, "/product")
    environ = {"REQUEST_METHOD": method}
    response = client.open("/order/1001", method="GET", environ_overrides=environ)
    assert response.status_code == 501
    assert (read(client, "/order"), read(client, "/product")) == before


@pytest.mark.parametrize("coding", ["identity", "Identity"])
def test_content_codings_are_case_insensitive(client: FlaskClient, coding: str) -> None:
    """As RFC 9110, 8.4.1 says, in both directions."""
    sent = client.post("/order", json=request_for(tea=1), headers={"Content-Encoding": coding})
    assert sent.status_code == 201
    got = client.get("/openapi.json", headers={"Accept-Encoding": "GZip"})
    assert got.headers["Content-Encoding"] == "gzip"


@pytest.mark.parametrize(
    ("wanted", "status"), [("lines=0-1", 200), ("nonsense", 200), ("bytes=0-9", 206)]
)
def test_a_range_in_an_unknown_unit_is_ignored(
    client: FlaskClient, wanted: str, status: int
) -> None:
    """RFC 9110, 14.2: the whole file is sent."""
    with client.get("/static/style.css", headers={"Range": wanted}) as response:
        assert response.status_code == status
