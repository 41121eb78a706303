"""Refused requests: the exact error of each, and that nothing changes."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.over_http import body, place

LINE = {"product": "tea", "quantity": 1}
ORDER = {"customer_name": "Ada", "items": [LINE]}
JSON = {"Content-Type": "application/json"}
MERGE = {"Content-Type": "application/merge-patch+json"}


class Wrong(NamedTuple):
    """A wrong request and its exact response; `pointer` is that of the first error."""

    title: str
    status: int
    pointer: str | None
    method: str
    path: str
    body: Any = None
    headers: dict[str, str] = JSON


def post(title: str, status: int, pointer: str | None, body: Any, **headers: str) -> Wrong:
    """A wrong POST /order."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Wrong(title, status, pointer, "POST", "/order", body, JSON | named)


def line(title: str, pointer: str, **members: Any) -> Wrong:
    """A POST /order whose line breaks a rule."""
    items = [LINE, {**LINE, **members}]
    return post(title, 422, f"/items/1{pointer}", {**ORDER, "items": items})


def patch(title: str, status: int, pointer: str | None, body: Any) -> Wrong:
    """A wrong PATCH of the order."""
    return Wrong(title, status, pointer, "PATCH", "/order/1001", body, MERGE)


def get(title: str, status: int, path: str) -> Wrong:
    """A wrong GET."""
    return Wrong(title, status, None, "GET", path)


UNREADABLE = [
    post("no body", 400, None, b""),
    post("only spaces", 400, None, b" \n"),
    post("half a document", 400, None, b'{"customer_name": "Ada"'),
    post("two documents", 400, None, b"{}{}"),
    post("byte order mark", 400, None, b"\xef\xbb\xbf{}"),
    post("UTF-16", 400, None, "{}".encode("utf-16")),
    post("UTF-16 without a mark", 400, None, "{}".encode("utf-16-le")),
    post("bad UTF-8", 400, None, b'{"customer_name": "\xff"}'),
    post("NaN", 400, None, b'{"customer_name": NaN}'),
    post("Infinity", 400, None, b'{"customer_name": -Infinity}'),
    post("1e999", 400, None, b'{"customer_name": 1e999}'),
    post("an integer of 5,000 digits", 400, None, b'{"number": ' + b"9" * 5000 + b"}"),
    post("a member twice", 400, None, b'{"items": [], "items": []}'),
    post("nested too deep", 400, None, b"[" * 40 + b"]" * 40),
    post("nested 100,000 deep", 400, None, b"[" * 100_000),
    post("comment", 400, None, b"{/* no */}"),
    post("too large", 413, None, b'{"customer_name": "' + b"a" * (1 << 20) + b'"}'),
    post("form", 415, None, b"customer_name=Ada", Content_Type="application/x-www-form-urlencoded"),
    post("plain text", 415, None, b"{}", Content_Type="text/plain"),
    post("other charset", 415, None, b"{}", Content_Type="application/json; charset=latin-1"),
    post("compressed", 415, None, b"\x1f\x8b", Content_Encoding="gzip"),
    Wrong("no media type", 415, None, "POST", "/order", b"{}", {}),
    Wrong("patch as text", 415, None, "PATCH", "/order/1001", b"{}", {"Content-Type": "text/x"}),
]

BROKEN_RULES = [
    post("a list", 422, "", []),
    post("null", 422, "", b"null"),
    post("a number", 422, "", b"1"),
    post("an integer of 65 bits", 422, "/number", {**ORDER, "number": 2**64}),
    post("half a character", 422, "/customer_name", {**ORDER, "customer_name": "\ud800"}),
    post("half a character as field", 422, "/?", {**ORDER, "\ud800": 1}),
    post("nothing in it", 422, "/customer_name", {}),
    post("no name", 422, "/customer_name", {"items": [LINE]}),
    post("null name", 422, "/customer_name", {**ORDER, "customer_name": None}),
    post("number as name", 422, "/customer_name", {**ORDER, "customer_name": 7}),
    post("empty name", 422, "/customer_name", {**ORDER, "customer_name": ""}),
    post("blank name", 422, "/customer_name", {**ORDER, "customer_name": " \u00a0 "}),
    post("name of 201", 422, "/customer_name", {**ORDER, "customer_name": "a" * 201}),
    post("NUL in name", 422, "/customer_name", {**ORDER, "customer_name": "A\x00"}),
    post("line feed in name", 422, "/customer_name", {**ORDER, "customer_name": "A\nB"}),
    post("paragraph separator", 422, "/customer_name", {**ORDER, "customer_name": "A\u2029B"}),
    post("bad e-mail", 422, "/customer_email", {**ORDER, "customer_email": "ada"}),
    post("two e-mails", 422, "/customer_email", {**ORDER, "customer_email": "a@x.de,b@x.de"}),
    post("header in e-mail", 422, "/customer_email", {**ORDER, "customer_email": "a@x.de\r\nB: c"}),
    post("long e-mail", 422, "/customer_email", {**ORDER, "customer_email": "a" * 250 + "@x.de"}),
    post("empty e-mail", 422, "/customer_email", {**ORDER, "customer_email": ""}),
    post("no items", 422, "/items", {"customer_name": "Ada"}),
    post("null items", 422, "/items", {**ORDER, "items": None}),
    post("items as object", 422, "/items", {**ORDER, "items": {"0": LINE}}),
    post("items as text", 422, "/items", {**ORDER, "items": "tea"}),
    post("no lines", 422, "/items", {**ORDER, "items": []}),
    post("2,001 lines", 422, "/items", {**ORDER, "items": [LINE] * 2001}),
    post("a line as text", 422, "/items/0", {**ORDER, "items": ["tea"]}),
    post("a line as null", 422, "/items/0", {**ORDER, "items": [None]}),
    post(
        "unknown product", 422, "/items/0/product", {**ORDER, "items": [{**LINE, "product": "x"}]}
    ),
    post("unknown field", 422, "/discount", {**ORDER, "discount": 5}),
    post("field with a slash", 422, "/a~1b~0", {**ORDER, "a/b~": 5}),
    post("its own id", 422, "/order_id", {**ORDER, "order_id": "1"}),
    post("its own number", 422, "/number", {**ORDER, "number": 1}),
    post("its own total", 422, "/total_amount", {**ORDER, "total_amount": "0.00"}),
    post("its own status", 422, "/status", {**ORDER, "status": "delivered"}),
    post("already paid", 422, "/payment_status", {**ORDER, "payment_status": "paid"}),
    post("its own version", 422, "/version", {**ORDER, "version": 1}),
    post("its own history", 422, "/history", {**ORDER, "history": []}),
    line("no product", "/product", product=None),
    line("quantity as text", "/quantity", quantity="1"),
    line("quantity as fraction", "/quantity", quantity=1.0),
    line("quantity as truth", "/quantity", quantity=True),
    line("quantity null", "/quantity", quantity=None),
    line("quantity 0", "/quantity", quantity=0),
    line("quantity negative", "/quantity", quantity=-1),
    line("quantity over a million", "/quantity", quantity=1_000_001),
    line("quantity of 60 bits", "/quantity", quantity=2**60),
    line("amount as number", "/amount", amount=4.5),
    line("amount null", "/amount", amount=None),
    line("amount negative", "/amount", amount="-1.00"),
    line("amount with exponent", "/amount", amount="1e1000000"),
    line("amount in other digits", "/amount", amount="\u0663.\u0665\u0660"),
    line("amount with a comma", "/amount", amount="4,50"),
    line("amount with spaces", "/amount", amount=" 4.50"),
    line("amount with a third digit", "/amount", amount="4.505"),
    line("amount of 13 digits", "/amount", amount="1234567890123"),
    line("its own name", "/name", name="Tea"),
    line("its own total", "/line_total", line_total="0.00"),
    patch("null name", 422, "/customer_name", {"customer_name": None}),
    patch("null items", 422, "/items", {"items": None}),
    patch("a line without quantity", 422, "/items/0/quantity", {"items": [{"product": "tea"}]}),
    patch("no lines", 422, "/items", {"items": []}),
    patch("read-only field", 422, "/number", {"number": 5}),
    patch("illegal status", 422, "/status", {"status": "shipped"}),
    patch("null status", 422, "/status", {"status": None}),
    patch("reason without status", 422, "/status", {"reason": "why not"}),
    patch("cancel and change", 422, "/items", {"status": "cancelled", "items": [LINE]}),
    patch("a JSON patch", 422, "", [{"op": "remove", "path": "/items"}]),
    Wrong("long reason", 422, "/reason", "POST", "/order/1001/cancel", {"reason": "a" * 501}),
    Wrong("replay of nothing", 422, "", "POST", "/failure/replay", {}),
    Wrong("replay since when", 422, "/since", "POST", "/failure/replay", {"since": "yesterday"}),
]

ELSEWHERE = [
    get("unknown id", 404, "/order/01890a5d-ac96-774b-bcce-b302099a8057"),
    get("unknown number", 404, "/order/999999"),
    get("word as id", 404, "/order/latest"),
    get("other digits as number", 404, "/order/\u0661\u0660\u0660\u0661"),
    get("number of 5,000 digits", 404, "/order/" + "9" * 5000),
    get("NUL as id", 404, "/order/%00"),
    get("bad UTF-8 as id", 404, "/order/%FF%ED%A0%80"),
    get("climbing path", 404, "/order/..%2F..%2Fetc%2Fpasswd"),
    get("events of nothing", 404, "/order/latest/events"),
    get("unknown product", 404, "/product/x%00y"),
    get("unknown route", 404, "/nothing/here"),
    Wrong("delete unknown", 404, None, "DELETE", "/order/999999"),
    Wrong("cancel unknown", 404, None, "POST", "/order/999999/cancel", {}),
    Wrong("patch unknown", 404, None, "PATCH", "/order/999999", {}, MERGE),
    Wrong("discard unknown", 404, None, "POST", "/failure/x/discard", {"reason": "why not"}),
    Wrong("put an order", 405, None, "PUT", "/order/1001", {}),
    Wrong("delete all orders", 405, None, "DELETE", "/order"),
    Wrong("invented method", 405, None, "FROBNICATE", "/order"),
    Wrong("too much", 409, None, "POST", "/order", {**ORDER, "items": [{**LINE, "quantity": 500}]}),
    Wrong("stale patch", 412, None, "PATCH", "/order/1001", {}, MERGE | {"If-Match": '"9"'}),
    Wrong("stale delete", 412, None, "DELETE", "/order/1001", None, {"If-Match": '"9"'}),
    Wrong("weak match", 412, None, "DELETE", "/order/1001", None, {"If-Match": 'W/"2"'}),
    Wrong("none match", 412, None, "DELETE", "/order/1001", None, {"If-None-Match": "*"}),
    Wrong("fault switch", 403, None, "PUT", "/fault/billing", {"mode": "fail"}),
    Wrong("other site", 403, None, "DELETE", "/order/1001", None, {"Origin": "https://evil.test"}),
    post("key with a space", 400, None, ORDER, Idempotency_Key="a b"),
    post("empty key", 400, None, ORDER, Idempotency_Key='""'),
    post("key of 256", 400, None, ORDER, Idempotency_Key="k" * 256),
    get("unknown parameter", 400, "/order?colour=red"),
    get("parameter twice", 400, "/order?sort=date&sort=-date"),
    get("empty parameter", 400, "/order?status="),
    get("unknown status", 400, "/order?status=lost"),
    get("unknown sort", 400, "/order?sort=name"),
    get("no such day", 400, "/order?from=2026-02-30"),
    get("week as day", 400, "/order?from=2026-W01-1"),
    get("moment without zone", 400, "/order?to=2026-11-21T08:00:00"),
    get("before all days", 400, "/order?from=0001-01-01T00:00:00%2B01:00"),
    get("NUL in a filter", 400, "/order?customer=%00"),
    get("limit 0", 400, "/order?limit=0"),
    get("limit -1", 400, "/order?limit=-1"),
    get("limit in other digits", 400, "/order?limit=%D9%A1"),
    get("limit as word", 400, "/order?limit=all"),
    get("cursor made up", 400, "/order?cursor=MjAyNi0xMS0yMQ"),
    get("cursor not ASCII", 400, "/order?cursor=%C3%A4"),
    get("cursor of half a code", 400, "/order?cursor=A"),
    get("parameter of one order", 400, "/order/1001?verbose=1"),
    get("unknown stock status", 400, "/product?stock_status=plenty"),
    get("unknown handler", 400, "/failure?handler=kitchen"),
    Wrong("parameter of a POST", 400, None, "POST", "/order?dry_run=1", ORDER),
]


@pytest.fixture
def order(client: FlaskClient, catalogue: dict[str, str], settled: Callable[[], None]) -> None:
    """Order 1001, confirmed, version 2, to which the wrong requests go."""
    place(client, tea=1)
    settled()


@pytest.mark.parametrize("kind", [UNREADABLE, BROKEN_RULES, ELSEWHERE])
def test_wrong_requests_say_what_to_change_and_change_nothing(
    app: Flask, client: FlaskClient, order: None, kind: list[Wrong]
) -> None:
    """Each wrong request gets its exact problem, never a 500, and the store stays unchanged."""
    before = everything(app)
    responses = {wrong.title: sent(client, wrong) for wrong in kind}
    assert responses == {wrong.title: (wrong.status, wrong.pointer) for wrong in kind}
    assert everything(app) == before


def sent(client: FlaskClient, wrong: Wrong) -> tuple[int, str | None]:
    """Send the request; returns status and first pointer of a well-formed problem."""
    is_raw = wrong.body is None or isinstance(wrong.body, bytes)
    data = wrong.body if is_raw else json.dumps(wrong.body).encode()
    response = client.open(wrong.path, method=wrong.method, data=data, headers=wrong.headers)
    problem = body(response)
    assert response.mimetype == "application/problem+json", wrong.title
    assert problem["status"] == response.status_code
    assert problem["type"] == "about:blank"
    assert problem["title"] and problem["detail"]
    assert all(each["message"] for each in problem["errors"])
    return response.status_code, problem["errors"][0]["pointer"] if problem["errors"] else None


def everything(app: Flask) -> dict[str, dict[str, Any]]:
    """Every document of every collection, by name and key."""
    runtime = app.extensions["daybook"]
    with runtime.store.read() as view:
        return {
            each.name: {key: view.get(each.name, key) for key in view.keys(each.name)}
            for each in runtime.collections
        }
