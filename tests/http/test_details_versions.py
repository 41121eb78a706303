"""An edit is stale after another edit, and not after a change of stock, payment or status."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.server.runtime import Runtime
from tests.over_http import body, place, read
from tests.transactions import transaction

Settled = Callable[[], None]


@pytest.fixture(autouse=True)
def shop(catalogue: dict[str, str]) -> None:
    """Four products."""


@pytest.fixture
def placed(client: FlaskClient, settled: Settled) -> dict[str, Any]:
    """A new order as its customer saw it; it has been confirmed and paid since."""
    order = place(client, tea=1)
    settled()
    now = read(client, "/order/1001")
    assert (now["status"], now["payment_status"], now["version"]) == ("confirmed", "paid", 3)
    return order


def change(
    client: FlaskClient, path: str, version: int, header: str = "If-Match", /, **patch: Any
) -> TestResponse:
    """Patch the document on the condition that it is at this version."""
    return client.patch(path, json=patch, headers={header: f'"{version}"'})


def test_a_sale_does_not_make_the_edit_of_a_product_stale(
    client: FlaskClient, placed: dict[str, Any]
) -> None:
    """A PATCH with the version before the sale is applied, and the stock stays as counted."""
    assert read(client, "/product/tea")["version"] == 2
    renamed = change(client, "/product/tea", 1, name="Assam")
    assert (renamed.status_code, renamed.headers["ETag"]) == (200, '"3"')
    assert (body(renamed)["name"], body(renamed)["reserved"]) == ("Assam", 1)


def test_a_stock_take_does_not_make_the_edit_of_a_product_stale(client: FlaskClient) -> None:
    """A PATCH with any version since the last edit is applied."""
    for count in range(3):
        client.post("/product/mug/stock", json={"count": count})
    assert change(client, "/product/mug", 2, price="13.00").status_code == 200


def test_a_payment_does_not_make_the_edit_of_an_order_stale(
    client: FlaskClient, placed: dict[str, Any]
) -> None:
    """A PATCH with the version before confirmation and payment is applied."""
    renamed = change(client, "/order/1001", placed["version"], customer_name="Eva")
    assert (renamed.status_code, renamed.headers["ETag"]) == (200, '"4"')
    assert (body(renamed)["customer_name"], body(renamed)["status"]) == ("Eva", "confirmed")


@pytest.mark.parametrize(
    ("path", "mine", "theirs"),
    [
        ("/order/1001", {"customer_name": "Eva"}, {"customer_email": "ada@example.org"}),
        ("/product/tea", {"name": "Assam"}, {"price": "5.00"}),
    ],
)
def test_the_edit_of_another_person_makes_an_edit_stale(
    client: FlaskClient,
    placed: dict[str, Any],
    path: str,
    mine: dict[str, Any],
    theirs: dict[str, Any],
) -> None:
    """Every version before that edit is refused with 412, whatever the shop has counted since."""
    seen = read(client, path)["version"]
    assert change(client, path, seen, **theirs).status_code == 200
    client.post("/product/tea/stock", json={"change": 1, "reason": "delivery"})
    now = read(client, path)
    for version in (*range(seen + 1), now["version"] + 1):
        refused = change(client, path, version, **mine)
        assert (refused.status_code, body(refused)["version"]) == (412, now["version"])
    assert read(client, path) == now
    assert now["details_version"] == seen + 1
    assert change(client, path, seen + 1, **mine).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "change"),
    [
        ("DELETE", "/order/1001", None),
        ("POST", "/order/1001/cancel", {}),
        ("PATCH", "/order/1001", {"status": "cancelled"}),
        ("DELETE", "/product/tea", None),
        ("POST", "/product/tea/stock", {"count": 7}),
    ],
)
def test_what_depends_on_the_counted_needs_the_present_version(
    client: FlaskClient,
    placed: dict[str, Any],
    method: str,
    path: str,
    change: dict[str, Any] | None,
) -> None:
    """To delete, archive, cancel or count, a version before a sale or payment is refused."""
    document = path.removesuffix("/cancel").removesuffix("/stock")
    before = read(client, document)
    answer = client.open(path, method=method, json=change, headers={"If-Match": '"1"'})
    assert answer.status_code == 412
    assert read(client, document) == before


@pytest.mark.usefixtures("placed")
def test_a_document_of_an_older_daybook_is_as_if_edited_last(
    client: FlaskClient, runtime: Runtime
) -> None:
    """Without `details_version` its present version counts, and the next sale keeps that."""
    with transaction(runtime.store) as tx:
        product = tx.get("products", "mug") or {}
        assert "details_version" not in product
        tx.put("products", product | {"version": 7})
    client.post("/product/mug/stock", json={"count": 9})
    assert change(client, "/product/mug", 6, name="Cup").status_code == 412
    assert change(client, "/product/mug", 7, name="Cup").status_code == 200


def test_if_none_match_names_the_present_version_only(
    client: FlaskClient, placed: dict[str, Any]
) -> None:
    """A PATCH is refused at the present version, and applied at one before it."""
    refused = change(client, "/product/tea", 2, "If-None-Match", name="Assam")
    assert refused.status_code == 412
    renamed = change(client, "/product/tea", 1, "If-None-Match", name="Assam")
    assert renamed.status_code == 200


@pytest.mark.parametrize("tag", ["01", "+1", " 1", "1.0", "\u0661", "1" * 5000, "", "W/1"])
def test_an_etag_that_is_no_version_is_refused(
    client: FlaskClient, placed: dict[str, Any], tag: str
) -> None:
    """412: only the very text of a version is its ETag."""
    headers = {"If-Match": f'"{tag}"'.encode().decode("latin-1")}
    answer = client.patch("/product/tea", json={"name": "Assam"}, headers=headers)
    assert answer.status_code == 412
