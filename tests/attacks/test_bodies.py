"""Attacks by request bodies: mass assignment, forged actors, excessive size."""

import json
from typing import Any

import pytest

from tests.attacks.conftest import Scene, refused
from tests.over_http import body, request_for

OWN_FIELDS: dict[str, Any] = {
    "order_id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "number": 1,
    "status": "delivered",
    "payment_status": "paid",
    "total_amount": "0.01",
    "currency": "USD",
    "version": 99,
    "link": "1-AAAAAAAAAAAAAAAAAAAAAA",
    "history": [],
    "order_date": "2020-01-01T00:00:00.000Z",
    "by": "key-operator",
    "__proto__": {"role": "operator"},
    "role": "operator",
}


@pytest.mark.parametrize("field", OWN_FIELDS)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_fields_of_the_service_cannot_be_set(shop: Scene, field: str, method: str) -> None:
    """Mass assignment: 422 with a pointer, or 409 where the order cannot have that status."""
    wanted = (request_for(tea=1) if method == "POST" else {}) | {field: OWN_FIELDS[field]}
    path = "/order" if method == "POST" else "/order/1001"
    response = refused(shop, lambda shop: shop.call("operator", method, path, wanted), 422)
    assert any(each["pointer"].startswith("/") for each in body(response)["errors"])


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("/product", {"sku": "x", "name": "x", "price": "1.00", "reserved": -5}),
        ("/product", {"sku": "x", "name": "x", "price": "1.00", "available": 5}),
        ("/product", {"sku": "x", "name": "x", "price": "1.00", "changed_by": "nobody"}),
        ("/product/tea/stock", {"change": 5, "reason": "x", "who": "key-operator"}),
        ("/product/tea/stock", {"change": 5, "reason": "x", "after": 500}),
        ("/shipment/1001/ship", {"carrier": "x", "tracking_number": "1", "shipped_by": "x"}),
        ("/order/1001/cancel", {"reason": "x", "by": "x"}),
        ("/failure/replay", {"all": True, "by": "x"}),
    ],
)
def test_the_actor_cannot_be_set(shop: Scene, path: str, document: dict[str, Any]) -> None:
    """The actor, and values that follow from others, are set by the service."""
    refused(shop, lambda shop: shop.call("operator", "POST", path, document), 422)


LINES = {"customer_name": "Ada", "items": [{"product": "tea", "quantity": 1}] * 2001}
TOO_MUCH: dict[str, tuple[bytes, tuple[int, ...]]] = {
    "two megabytes": (b'{"customer_name": "' + b"a" * (2 << 20) + b'"}', (413,)),
    "a megabyte of spaces": (b" " * (1 << 20) + b"{}", (413,)),
    "nesting": (b"[" * 100_000, (400,)),
    "nesting of objects": (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, (400,)),
    "a number of a million digits": (b'{"items": ' + b"9" * 1_000_000 + b"}", (400, 413, 422)),
    "an exponent": (b'{"customer_name": 1e999999999}', (400, 422)),
    "2001 lines": (json.dumps(LINES).encode(), (422,)),
    "the same field a thousand times": (b"{" + b'"a":1,' * 1000 + b'"a":1}', (400,)),
    "a compressed body": (b"\x1f\x8b" + b"\x00" * 100, (400, 415)),
    "UTF-16": ('{"customer_name": "Ada"}'.encode("utf-16"), (400,)),
}


@pytest.mark.parametrize("title", TOO_MUCH)
def test_excessive_requests_are_refused(shop: Scene, title: str) -> None:
    """They get a 4xx before they cost much."""
    content, statuses = TOO_MUCH[title]
    headers = shop.as_key("clerk") | {"Content-Type": "application/json"}
    refused(shop, lambda shop: shop.client.post("/order", data=content, headers=headers), *statuses)
