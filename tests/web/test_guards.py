"""The security headers of pages, and the forms that are refused."""

import re

import pytest
from flask.testing import FlaskClient

from app.web.layout.csrf import COOKIE
from tests.over_http import place, read
from tests.web.page import Page

TOKEN = "a-token-of-sixteen-or-more"
CSRF_TOKEN = "twenty-two-characters-"
ORDER = {"csrf_token": CSRF_TOKEN, "token": TOKEN, "name": "Ada", "quantity.tea": "1", "place": "1"}
PAGES = (
    "/", "/desk", "/desk/1001", "/desk/1001/edit", "/desk/1001/delete", "/events", "/stock",
    "/stock/tea", "/shipping", "/shipping/list", "/mail", "/overview",
)  # fmt: skip


@pytest.fixture(autouse=True)
def shop(catalogue: dict[str, str], client: FlaskClient) -> None:
    """A catalogue, and a browser that has the CSRF cookie."""
    client.set_cookie(COOKIE, CSRF_TOKEN)


def test_every_page_has_the_security_headers(client: FlaskClient) -> None:
    """A strict policy, no sniffing, framing or caching; nothing inline that the policy forbids."""
    link = place(client, tea=1)["link"]
    for path in (*PAGES, f"/orders/{link}", "/orders/unknown", "/desk/unknown"):
        answer = client.get(path)
        headers = answer.headers
        policy = dict(
            part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";")
        )
        for own in ("script", "style", "img", "connect", "frame"):
            assert policy.pop(f"{own}-src") == "'self'"
        assert policy.pop("form-action") == "'self'"
        assert set(policy) == {"default-src", "base-uri", "frame-ancestors"}
        assert set(policy.values()) == {"'none'"}
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "strict-origin"  # no path: logs would keep the link
        assert headers["Cache-Control"] == "no-store"
        assert answer.text.count("<script") == 1
        assert not re.search(r"<style|<[^>]*\s(style|on\w+)=", answer.text)


@pytest.mark.parametrize("name", ["style.css", "icon.svg", "live.js"])
def test_static_files_are_served(client: FlaskClient, name: str) -> None:
    """Style, script and icon, which each page names."""
    assert f"/static/{name}" in client.get("/").text
    with client.get(f"/static/{name}") as answer:
        assert answer.status_code == 200


def test_the_shop_page_is_small(client: FlaskClient) -> None:
    """All that the shop's page loads is under 100 KB."""
    sizes = [len(client.get("/").data)]
    for name in ("style.css", "icon.svg", "live.js"):
        with client.get(f"/static/{name}") as answer:
            sizes.append(len(answer.data))
    assert sum(sizes) < 100_000


@pytest.mark.parametrize(
    "path",
    ["/", "/orders/LINK/cancel", "/orders/LINK/pay", "/orders/LINK/again",
     "/desk/1001", "/desk/1001/cancel", "/desk/1001/delete",
     "/events/replay", "/events/x/billing/replay", "/events/x/billing/discard", "/stock",
     "/stock/tea", "/shipping/x"],
)  # fmt: skip
def test_a_forged_form_changes_nothing(client: FlaskClient, path: str) -> None:
    """403 on every form: the cookie alone, which a foreign page would send, is not enough."""
    path = path.replace("LINK", place(client, tea=1)["link"])
    for csrf_token in ("", "another-browsers-secre", CSRF_TOKEN[:-1], "é"):
        answer = client.post(path, data=ORDER | {"csrf_token": csrf_token, "version": "1"})
        assert (answer.status_code, answer.mimetype) == (403, "text/html")
    orders = read(client, "/order")["orders"]
    assert [(each["number"], each["status"] == "cancelled") for each in orders] == [(1001, False)]


def test_a_browser_without_cookies_is_refused(client: FlaskClient) -> None:
    """403, with a sentence that helps when cookies are switched off."""
    client.delete_cookie(COOKIE)
    answer = client.post("/", data=ORDER)
    assert answer.status_code == 403
    assert "cookies are switched off" in Page(answer).text


def test_the_csrf_cookie_is_http_only_and_same_site(client: FlaskClient) -> None:
    """It is set once, and kept."""
    client.delete_cookie(COOKIE)
    given = client.get("/").headers["Set-Cookie"]
    assert "HttpOnly" in given
    assert "SameSite=Lax" in given
    assert "Set-Cookie" not in client.get("/").headers


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
        ("too many fields", 400, {f"quantity.{n}": "1" for n in range(2101)}, {}),
        ("long name", 422, {"name": "a" * 201}, {}),
        ("NUL in name", 422, {"name": "A\x00"}, {}),
        ("NUL in a sku", 422, {"quantity.\x00": "1"}, {}),
        ("unknown payment", 422, {"payment": "gold"}, {}),
        ("unknown sku", 422, {"quantity.gold": "1"}, {}),
        ("quantity 0", 422, {"quantity.tea": "0"}, {}),
        ("negative quantity", 422, {"quantity.tea": "-1"}, {}),
        ("quantity over a million", 422, {"quantity.tea": "1000001"}, {}),
        ("quantity of 5,000 digits", 422, {"quantity.tea": "9" * 5000}, {}),
        ("other digits", 422, {"quantity.tea": "\u0663"}, {}),
    ],
)  # fmt: skip
def test_an_invalid_form_places_no_order(
    client: FlaskClient, title: str, status: int, changes: dict[str, str], headers: dict[str, str]
) -> None:
    """A page gives the reason; never a 500."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = client.post("/", data=ORDER | changes, headers=form | headers)
    assert (answer.status_code, answer.mimetype) == (status, "text/html")
    assert Page(answer).text
    assert read(client, "/order")["orders"] == []


@pytest.mark.parametrize(
    "body",
    [
        f"csrf_token={CSRF_TOKEN}&token={TOKEN}&name=%FF&quantity.tea=1&place=1",
        f"csrf_token={CSRF_TOKEN}&token={TOKEN}&name=%ED%A0%80&quantity.tea=1&place=1",
        f"csrf_token={CSRF_TOKEN}&token={TOKEN}&name=Zo\u00eb&quantity.tea=1&place=1",
        f"csrf_token={CSRF_TOKEN}&token={TOKEN}&name=A&name=B&quantity.tea=1&place=1",
    ],
)
def test_an_unreadable_form_places_no_order(client: FlaskClient, body: str) -> None:
    """400 when it is not UTF-8, not percent-encoded, or has a field twice."""
    media_type = "application/x-www-form-urlencoded"
    assert client.post("/", data=body.encode(), content_type=media_type).status_code == 400
    assert read(client, "/order")["orders"] == []
