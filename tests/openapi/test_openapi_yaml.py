"""openapi.yaml: it is fresh and valid, and the service keeps to it."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from marshmallow import Schema, ValidationError, missing
from openapi_schema_validator import OAS31Validator, oas31_format_checker
from openapi_spec_validator import validate
from werkzeug.test import TestResponse

from app import create_app
from app.config import Config
from app.events import schemas as event_schemas
from app.http.operation import OPERATIONS
from app.http.security.origin import SECURITY_HEADERS
from app.inventory import schemas as product_schemas
from app.kernel.money import Currency
from app.openapi.document import as_yaml, openapi_document
from app.orders import schemas as order_schemas
from app.shipping import schemas as shipping_schemas
from app.webhooks import schemas as webhook_schemas
from tests.over_http import body, place, read, request_for

FILE = Path(__file__).parents[2] / "openapi.yaml"
PAGES = ("web.", "docs.", "observability.metrics")
"""Prefixes of endpoints that are not for clients of the API."""


@pytest.fixture
def config(config: Config) -> Config:
    """With fault switches, which are in the contract."""
    return replace(config, faults=True)


@pytest.fixture(scope="module")
def contract() -> dict[str, Any]:
    """The contract as a document, which no test changes."""
    return openapi_document(create_app(Config()))


def test_the_file_is_fresh() -> None:
    """After a change of routes or schemas, `flask openapi` has to be run."""
    assert FILE.read_text("utf-8") == as_yaml(create_app(Config()))


def test_descriptions_are_not_indented(contract: dict[str, Any]) -> None:
    """No line begins with the spaces of its docstring; Python 3.13 removes these itself."""
    indented = [text for text in _texts(contract) if "\n " in text]
    assert indented == []


def _texts(document: Any) -> Iterator[str]:
    """Every summary and description in the document."""
    if isinstance(document, dict):
        for name, value in document.items():
            if name in ("summary", "description") and isinstance(value, str):
                yield value
            yield from _texts(value)
    elif isinstance(document, list):
        for value in document:
            yield from _texts(value)


def test_the_file_is_valid_openapi(contract: dict[str, Any]) -> None:
    """It passes a validator of OpenAPI 3.1."""
    validate(contract)


def test_every_route_is_described(app: Flask, contract: dict[str, Any]) -> None:
    """Each method of each route has an operation, except pages and metrics."""
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith(PAGES):
            continue
        assert app.view_functions[rule.endpoint] in OPERATIONS, rule
        path = contract["paths"][re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule.rstrip("/"))]
        methods = {method.lower() for method in rule.methods or ()} - {"head", "options"}
        assert methods <= path.keys()


REQUESTS: dict[str, Schema] = {
    "OrderRequest": order_schemas.request_schema(Currency("EUR")),
    "OrderChange": order_schemas.change_schema(Currency("EUR")),
    "CancelPatch": order_schemas.CancelPatchSchema(),
    "Cancellation": order_schemas.CancellationSchema(),
    "ProductRequest": product_schemas.product_request_schema(Currency("EUR")),
    "ProductChange": product_schemas.product_change_schema(Currency("EUR")),
    "StockChange": product_schemas.StockChangeSchema(),
    "StockCount": product_schemas.StockCountSchema(),
    "Selection": event_schemas.selection_schema(UTC),
    "Discard": event_schemas.DiscardSchema(),
    "Fault": event_schemas.FaultSchema(),
    "Handover": shipping_schemas.HandoverSchema(),
    "Arrival": shipping_schemas.arrival_schema(UTC),
    "WebhookRequest": webhook_schemas.ENDPOINT_REQUEST,
    "WebhookChange": webhook_schemas.ENDPOINT_CHANGE,
    "Recovery": webhook_schemas.recover_schema(UTC),
}
NEW_PRODUCT = {"sku": "pen", "name": "Pen", "price": "1.20", "quantity": 5}
COUNTED, STOLEN = {"count": 4}, {"change": -5, "reason": "stolen"}
LINE = {"product": "tea", "quantity": 1}
AMOUNTS = ("0", "4.5", "4.50", "4.5000", "4.505", "4.", ".5", "-1", "1e3", "1" * 12, "1" * 13, "٣")
VALUES: list[Any] = [
    *(missing, None, True, False, [], {}, -1, 0, 1, 60, 61, 10**6, 10**6 + 1, 10**30),
    *("", " ", "a", " a ", "\u00a0", "a\x00", "a\nb", "a\u2028b", "cancelled", "fail", "placed"),
    *("a" * length for length in (40, 41, 60, 61, 64, 65, 120, 121, 200, 201, 500, 501)),
    *("/", "/a", " /a", "a/b", "a/", "stock", "a/stock", "a/stock/", "a/stock ", "a/stocks"),
    *("2026-11-21", "2026-11-21T08:00:00Z", "2026-11-21T08:00:00", "20261121", "yesterday"),
    *([LINE], [LINE, LINE], [LINE] * 2000, [LINE] * 2001, [{}], ["tea"], [None]),
    *([LINE | {"amount": amount}] for amount in (*AMOUNTS, 4.5, None)),
    *([LINE | {"quantity": quantity}] for quantity in (0, 10**6, 10**6 + 1, "1", True, None)),
    *([LINE | {"product": product}] for product in ("", "a" * 64, "a" * 65, 7, None)),
    [LINE | {"name": "Tea"}],
]


@pytest.mark.parametrize("name", REQUESTS)
def test_the_service_takes_what_the_contract_allows_and_nothing_else(
    contract: dict[str, Any], name: str
) -> None:
    """Every field with every value: limits, patterns, types and required fields are true.

    E-mail addresses are left out: what they may be is more than a schema can say.
    """
    allowed = validator(contract, name)
    example = next(examples(contract, name))
    fields = {*contract["components"]["schemas"][name]["properties"], "unheard_of"}
    for field in fields - {"customer_email"}:
        for value in VALUES:
            request = example | {field: value}
            if value is missing:
                del request[field]
            assert accepts(REQUESTS[name], request) == allowed.is_valid(request), (field, value)


def accepts(schema: Schema, request: dict[str, Any]) -> bool:
    """Whether the schema accepts the request."""
    try:
        schema.load(request)
    except ValidationError:
        return False
    return True


def validator(contract: dict[str, Any], name: str) -> OAS31Validator:
    """A JSON Schema validator for a schema of the contract."""
    root = {"$ref": f"#/components/schemas/{name}", "components": contract["components"]}
    return OAS31Validator(root, format_checker=oas31_format_checker)


def examples(contract: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    """All examples of a request body in the contract."""
    for path in contract["paths"].values():
        for operation in path.values():
            for media in operation.get("requestBody", {}).get("content", {}).values():
                if name in media["examples"]:
                    yield media["examples"][name]["value"]


class TestResponses:
    """Responses of every operation, with success and with errors, against the contract."""

    @pytest.fixture(autouse=True)
    def shop(
        self, client: FlaskClient, catalogue: dict[str, str], settled: Callable[[], None]
    ) -> None:
        """Order 1001 with a billing failure, one backordered, one to delete, one to ship."""
        client.put("/fault/billing", json={"mode": "reject"})
        place(client, tea=1)
        settled()
        client.delete("/fault/billing")
        client.post("/order/1001/cancel")
        place(client, pot=5)
        place(client, tea=1)
        place(client, tea=1)
        settled()

    def test_responses_keep_to_the_contract(
        self, client: FlaskClient, contract: dict[str, Any]
    ) -> None:
        """Status, media type, headers and document match; every operation is tried."""
        tried = {ask(client, contract, *each) for each in self.requests(client)}
        operations = {
            o["operationId"] for path in contract["paths"].values() for o in path.values()
        }
        assert tried == operations

    def requests(self, client: FlaskClient) -> Iterator[tuple[str, str, str, int, Any]]:
        """Tuples of method, path, path template, status and body."""
        (failure, *_) = body(client.get("/failure"))["failures"]
        order, product = "/order/{order_id}", "/product/{sku}"
        yield "POST", "/order", "/order", 201, request_for(tea=1)
        yield "POST", "/order", "/order", 409, request_for(mug=99)
        yield "POST", "/order", "/order", 422, {}
        yield "POST", "/order", "/order", 413, {"customer_name": "a" * (1 << 20)}
        yield "GET", "/order?limit=2", "/order", 200, None
        yield "GET", "/order?limit=0", "/order", 400, None
        yield "GET", "/order/1001", order, 200, None
        yield "GET", "/order/none", order, 404, None
        yield "PATCH", "/order/1002", order, 200, {"customer_name": "Eva"}
        yield "PATCH", "/order/1001", order, 409, {"customer_name": "Eva"}
        yield "DELETE", "/order/1003", order, 200, None
        yield "DELETE", "/order/1003", order, 404, None
        yield "POST", "/order/1002/cancel", f"{order}/cancel", 200, {"reason": "changed my mind"}
        yield "GET", "/order/1001/events", f"{order}/events", 200, None
        yield "GET", "/order/1001/receipt.pdf", f"{order}/receipt.pdf", 409, None
        yield "GET", "/order/1004/receipt.pdf", f"{order}/receipt.pdf", 200, None
        yield "GET", "/product?limit=1", "/product", 200, None
        yield "GET", "/product/tea", product, 200, None
        shipment, parcel = "/shipment/{order_id}", {"carrier": "DHL", "tracking_number": "JD0146"}
        yield "GET", "/shipment?limit=1", "/shipment", 200, None
        yield "POST", "/shipment/1004/ship", f"{shipment}/ship", 200, parcel
        yield "POST", "/shipment/1004/ship", f"{shipment}/ship", 409, parcel | {"carrier": "UPS"}
        yield "GET", "/shipment/1004", shipment, 200, None
        yield "POST", "/shipment/1004/delivered", f"{shipment}/delivered", 400, parcel
        yield "POST", "/product", "/product", 201, NEW_PRODUCT
        yield "POST", "/product", "/product", 409, NEW_PRODUCT
        yield "PATCH", "/product/pen", product, 200, {"price": "1.30"}
        yield "POST", "/product/pen/stock", f"{product}/stock", 200, COUNTED
        yield "POST", "/product/pen/stock", f"{product}/stock", 409, STOLEN
        yield "GET", "/product/pen/stock", f"{product}/stock", 200, None
        yield "DELETE", "/product/pen", product, 200, None
        yield "DELETE", "/product/nothing", product, 404, None
        yield "GET", "/event?type=order.placed&limit=2", "/event", 200, None
        yield "GET", "/event?after=x", "/event", 400, None
        yield "GET", "/failure", "/failure", 200, None
        yield "POST", "/failure/replay", "/failure/replay", 200, {"all": True, "dry_run": True}
        discard = "/failure/{key}/discard"
        yield "POST", f"/failure/{failure['id']}/discard", discard, 200, {"reason": "paid in cash"}
        yield "GET", "/order/1001/events", f"{order}/events", 200, None
        yield "POST", "/failure/replay", "/failure/replay", 202, {"all": True}
        yield "PUT", "/fault/orders", "/fault/{handler}", 200, {"mode": "fail", "times": 100}
        yield "GET", "/fault", "/fault", 200, None
        yield "DELETE", "/fault/orders", "/fault/{handler}", 200, None
        yield "DELETE", "/fault/orders", "/fault/{handler}", 404, None
        wanted = {"url": "https://receiver.invalid/", "types": ["order.*"]}
        (added, refused) = (wanted, wanted | {"url": "http://receiver.invalid/"})
        yield "POST", "/webhook", "/webhook", 201, added
        yield "POST", "/webhook", "/webhook", 422, refused
        yield "GET", "/webhook?limit=1", "/webhook", 200, None
        webhook_id = read(client, "/webhook")["webhooks"][0]["webhook_id"]
        path, webhook = f"/webhook/{webhook_id}", "/webhook/{webhook_id}"
        yield "GET", path, webhook, 200, None
        yield "PATCH", path, webhook, 200, {"description": "the warehouse"}
        yield "POST", f"{path}/secret", f"{webhook}/secret", 200, None
        yield "POST", f"{path}/test", f"{webhook}/test", 200, None
        yield "GET", f"{path}/deliveries", f"{webhook}/deliveries", 200, None
        yield "POST", f"{path}/recover", f"{webhook}/recover", 202, {"since": "2020-01-01"}
        yield "GET", f"{path}/deliveries?since=2020-01-01", f"{webhook}/deliveries", 200, None
        yield "DELETE", path, webhook, 200, None
        yield "DELETE", path, webhook, 404, None
        yield "GET", "/livez", "/livez", 200, None
        yield "GET", "/readyz", "/readyz", 200, None


def ask(
    client: FlaskClient,
    contract: dict[str, Any],
    method: str,
    path: str,
    template: str,
    status: int,
    sent: Any,
) -> str:
    """Send a request and check its response against the contract; returns the operationId."""
    operation: dict[str, Any] = contract["paths"][template][method.lower()]
    response = client.open(path, method=method, json=sent)
    assert response.status_code == status, response.text
    told = operation["responses"][str(status)]
    if "$ref" in told:
        told = contract["components"]["responses"][told["$ref"].rpartition("/")[2]]
    content = told["content"][response.mimetype]
    if "schema" in content:
        name = content["schema"]["$ref"].rpartition("/")[2]
        errors = [error.message for error in validator(contract, name).iter_errors(body(response))]
        assert errors == [], (method, path)
    assert headers(response) <= told.get("headers", {}).keys(), (method, path)
    return str(operation["operationId"])


def headers(response: TestResponse) -> set[str]:
    """The headers that the contract has to list; security headers are not among them."""
    plain = {"Content-Type", "Content-Length", "Vary", "X-Request-Id"} | SECURITY_HEADERS.keys()
    return {name for name, _ in response.headers} - plain
