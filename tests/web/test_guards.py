"""What pages and forms refuse, and what every page carries."""

import pytest
from flask.testing import FlaskClient

from tests.over_http import place, read
from tests.web.page import Page

TOKEN = "a-token-of-sixteen-or-more"
ORDER = {"token": TOKEN, "name": "Ada", "quantity.tea": "1", "place": "1"}


@pytest.fixture(autouse=True)
def shop(catalogue: dict[str, str]) -> None:
    """Every test here orders from the catalogue."""


@pytest.mark.parametrize("path", ["/", "/orders/1001", "/orders/unknown"])
def test_a_page_takes_nothing_from_elsewhere_and_runs_no_script(
    client: FlaskClient, path: str
) -> None:
    """A strict Content-Security-Policy, no sniffing, no framing, nothing kept."""
    place(client, tea=1)
    headers = client.get(path).headers
    policy = dict(
        part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";")
    )
    assert policy.pop("style-src") == policy.pop("img-src") == "'self'"
    assert policy.pop("form-action") == "'self'"
    assert set(policy) == {"default-src", "base-uri", "frame-ancestors"}
    assert set(policy.values()) == {"'none'"}
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("name", ["style.css", "icon.svg"])
def test_what_a_page_needs_is_served_here(client: FlaskClient, name: str) -> None:
    """Style and icon; both named in the page."""
    assert f"/static/{name}" in client.get("/").text
    with client.get(f"/static/{name}") as answer:
        assert answer.status_code == 200


@pytest.mark.parametrize(
    ("title", "status", "changes", "headers"),
    [
        ("other site", 403, {}, {"Sec-Fetch-Site": "cross-site"}),
        ("other site, older browser", 403, {}, {"Origin": "https://evil.test"}),
        ("sandboxed frame", 403, {}, {"Origin": "null"}),
        ("JSON", 415, {}, {"Content-Type": "application/json"}),
        ("multipart", 415, {}, {"Content-Type": "multipart/form-data; boundary=x"}),
        ("no media type", 415, {}, {"Content-Type": ""}),
        ("no token", 400, {"token": ""}, {}),
        ("short token", 400, {"token": "a"}, {}),
        ("odd token", 400, {"token": "a" * 20 + "\n"}, {}),
        ("unknown field", 400, {"total_amount": "0.00"}, {}),
        ("too large", 413, {"name": "a" * (1 << 20)}, {}),
        ("too many fields", 400, {f"quantity.{n}": "1" for n in range(2100)}, {}),
        ("long name", 422, {"name": "a" * 201}, {}),
        ("NUL in name", 422, {"name": "A\x00"}, {}),
        ("NUL in a sku", 422, {"quantity.\x00": "1"}, {}),
        ("unknown sku", 422, {"quantity.gold": "1"}, {}),
        ("quantity 0", 422, {"quantity.tea": "0"}, {}),
        ("negative quantity", 422, {"quantity.tea": "-1"}, {}),
        ("quantity over a million", 422, {"quantity.tea": "1000001"}, {}),
        ("quantity of 5,000 digits", 422, {"quantity.tea": "9" * 5000}, {}),
        ("other digits", 422, {"quantity.tea": "\u0663"}, {}),
    ],
)  # fmt: skip
def test_a_form_that_is_not_right_orders_nothing(
    client: FlaskClient, title: str, status: int, changes: dict[str, str], headers: dict[str, str]
) -> None:
    """A page says why, in words; never a 500."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = client.post("/", data=ORDER | changes, headers=form | headers)
    assert (answer.status_code, answer.mimetype) == (status, "text/html")
    assert Page(answer).text
    assert read(client, "/order")["orders"] == []


@pytest.mark.parametrize(
    "body",
    [
        f"token={TOKEN}&name=%FF&quantity.tea=1&place=1",
        f"token={TOKEN}&name=%ED%A0%80&quantity.tea=1&place=1",
        f"token={TOKEN}&name=Zo\u00eb&quantity.tea=1&place=1",
        f"token={TOKEN}&name=A&name=B&quantity.tea=1&place=1",
    ],
)
def test_a_form_that_cannot_be_read_orders_nothing(client: FlaskClient, body: str) -> None:
    """Not UTF-8, not percent-encoded, or a field twice: 400."""
    media_type = "application/x-www-form-urlencoded"
    assert client.post("/", data=body.encode(), content_type=media_type).status_code == 400
    assert read(client, "/order")["orders"] == []
