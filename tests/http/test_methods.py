"""HEAD, OPTIONS, trailing slashes, and methods that a resource does not have."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from tests.over_http import place, read


@pytest.fixture(autouse=True)
def order(client: FlaskClient, catalogue: dict[str, str], settled: Callable[[], None]) -> None:
    """An order, number 1001, with which nothing happens any more."""
    place(client, tea=1)
    settled()


@pytest.mark.parametrize("path", ["/order", "/order/1001", "/order/1001/events", "/product/tea"])
def test_head_says_what_get_would_say_without_the_body(client: FlaskClient, path: str) -> None:
    """The same status and headers, no body."""
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
def test_options_and_refusals_name_the_methods(
    client: FlaskClient, path: str, methods: str
) -> None:
    """Allow is in the answer to OPTIONS and in every 405."""
    for answer in (client.options(path), client.put(path, json={})):
        assert ", ".join(sorted(answer.headers["Allow"].split(", "))) == methods
    refused = client.put(path, json={})
    assert refused.status_code == 405
    assert (refused.json or {})["detail"].endswith(f"{refused.headers['Allow']}.")


def test_options_tell_how_a_patch_looks(client: FlaskClient) -> None:
    """Accept-Patch in OPTIONS (RFC 5789), and in the 415 for another media type."""
    types = "application/merge-patch+json, application/json"
    assert client.options("/order/1001").headers["Accept-Patch"] == types
    assert "Accept-Patch" not in client.options("/order").headers
    refused = client.patch("/order/1001", data="{}", content_type="text/plain")
    assert (refused.status_code, refused.headers["Accept-Patch"]) == (415, types)


def test_a_wrong_media_type_is_told_the_right_one(client: FlaskClient) -> None:
    """415 carries Accept (RFC 9110, 15.5.16)."""
    refused = client.post("/order", data="<order/>", content_type="application/xml")
    assert refused.headers["Accept"] == "application/json"
    assert client.post(
        "/order", data=b"x", content_type="application/json", headers={"Content-Encoding": "br"}
    ).headers["Accept-Encoding"] == ("identity")


@pytest.mark.parametrize("path", ["/order", "/order/1001", "/order/1001/events", "/product/tea"])
def test_a_trailing_slash_makes_no_difference(client: FlaskClient, path: str) -> None:
    """No redirect, which would turn a POST into a GET; the same answer."""
    assert client.get(f"{path}/").data == client.get(path).data


@pytest.mark.parametrize("body", [None, b"{}"])
def test_cancel_needs_no_body(client: FlaskClient, body: bytes | None) -> None:
    """A bare POST cancels; an empty object as well."""
    answer = client.post(
        "/order/1001/cancel", data=body, content_type="application/json" if body else None
    )
    assert (answer.status_code, read(client, "/order/1001")["status"]) == (200, "cancelled")


def test_cancel_takes_no_form(client: FlaskClient) -> None:
    """A form, which any web page can send, is refused even when it is empty."""
    answer = client.post("/order/1001/cancel", content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 415


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
def test_only_our_own_pages_and_programs_change_anything(
    client: FlaskClient, headers: dict[str, str], status: int
) -> None:
    """A browser says whose page sent a request; pages of others are refused."""
    assert client.post("/order/1001/cancel", headers=headers).status_code == status
    assert client.get("/order/1001", headers=headers).status_code == 200
