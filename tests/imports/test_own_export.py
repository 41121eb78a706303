"""A shop's export is read back: by the shop itself, and by another one."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from flask import Flask
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from app import create_app
from app.config import Config
from app.http.responses.csv_response import csv_response, escape_formula, unescape_formula
from app.imports.columns import Columns
from app.imports.orders import FIELDS, OrderImport, OrderImportResult
from app.imports.rejected import rejected_path, write_rejected
from app.imports.tables import read_table
from app.kernel.errors import Invalid
from app.orders import csv_export
from app.orders.documents import ORDERS, REFERENCES
from app.orders.schemas import request_schema
from app.orders.service import OrderPolicy, cancel_order, change_order, delete_order, place_order
from app.schema.validation import load
from app.server.runtime import Runtime
from app.store import Document
from tests.transactions import transaction

POLICY = OrderPolicy(Config().currency, unlisted_products=True)
SCHEMA = request_schema(POLICY.currency)

TEXTS = st.builds(
    "{}{}".format,
    st.sampled_from(["", "=", "+", "-1", "@", "'", "'=", "''-", "\uff1d"]),
    st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=12),
)
LINES = st.fixed_dictionaries(
    {
        "product": TEXTS,
        "quantity": st.integers(1, 1_000_000),
        "amount": st.decimals(0, 10_000, places=2).map(str),
    }
)
REQUESTS = st.fixed_dictionaries(
    {"customer_name": TEXTS, "items": st.lists(LINES, min_size=1, max_size=3)},
    optional={"customer_email": st.sampled_from(["ada@example.org", "+1@example.org"])},
)


@pytest.fixture
def empty_shop(tmp_path: Path) -> Iterator[Runtime]:
    """Another shop, without orders."""
    app = create_app(Config(data=tmp_path / "other"))
    yield app.extensions["daybook"]
    app.extensions["daybook"].close()


def place(runtime: Runtime, *requests: Document) -> list[str]:
    with transaction(runtime.store) as tx:
        return [place_order(tx, POLICY, load(SCHEMA, each))["order_id"] for each in requests]


def a_request(customer: str = "Ada", product: str = "tea") -> Document:
    line = {"product": product, "quantity": 2, "amount": "4.50"}
    return {"customer_name": customer, "items": [line]}


def export(app: Flask, file: Path) -> Path:
    """The file that GET /order answers; no request is made, as that would start the dispatcher."""
    rows = csv_export.rows(orders(app.extensions["daybook"]))
    with app.test_request_context("/order"):
        file.write_bytes(csv_response("orders.csv", csv_export.HEADINGS, rows).get_data())
    return file


def run_import(runtime: Runtime, file: Path) -> OrderImportResult:
    table = read_table(file)
    work = OrderImport(POLICY, SCHEMA, runtime.config.timezone)
    result = work.run(runtime.store, table, Columns(table, FIELDS, {}, {}))
    write_rejected(file, table, result.rejected_rows)
    return result


def orders(runtime: Runtime) -> list[Document]:
    with runtime.store.read() as view:
        return view.find(ORDERS.name).documents


def content(runtime: Runtime, order_ids: list[str], *, imported: bool) -> list[tuple[object, ...]]:
    """The orders' customers, dates and lines; `imported` by their ids as references."""
    contents = []
    with runtime.store.read() as view:
        for order_id in order_ids:
            if imported:
                order_id = (view.get(REFERENCES.name, order_id) or {})["order_id"]
            order = view.get(ORDERS.name, order_id) or {}
            lines = [(line["product"], line["quantity"], line["amount"]) for line in order["items"]]
            names = ("customer_name", "customer_email", "order_date", "total_amount")
            contents.append((*(order[name] for name in names), lines))
    return contents


@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(requests=st.lists(REQUESTS, min_size=1, max_size=3))
def test_an_export_comes_back_as_it_was(
    app: Flask, runtime: Runtime, empty_shop: Runtime, tmp_path: Path, requests: list[Document]
) -> None:
    """The same shop changes nothing; another one gets each order once, names as they were."""
    try:
        placed = place(runtime, *requests)
    except Invalid:
        assume(False)
    before = orders(runtime)
    file = export(app, tmp_path / "orders.csv")

    again = run_import(runtime, file)
    assert (again.accepted, again.existing, again.rejected_rows) == (0, len(before), [])
    assert orders(runtime) == before

    first = run_import(empty_shop, file)
    assert (first.accepted, first.rejected_rows) == (len(placed), [])
    assert run_import(empty_shop, file).existing == len(before)
    assert content(empty_shop, placed, imported=True) == content(runtime, placed, imported=False)


@given(text=TEXTS)
def test_an_apostrophe_is_taken_off_where_it_was_put(text: str) -> None:
    """Text that has one of its own keeps it."""
    escaped = escape_formula(text)
    assert unescape_formula(escaped) == text
    assert not escaped.startswith(("=", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"))


def test_a_mended_row_is_placed_once(tmp_path: Path, empty_shop: Runtime) -> None:
    """The rejected file's apostrophes come off again, so that its rows are known by content."""
    file = tmp_path / "orders.csv"
    file.write_text(
        "order,customer_name,product,quantity,amount\n=A,'=Ada,@tea,1,1\n=A,,@tea,none,1\n"
    )
    assert run_import(empty_shop, file).rejected == 1
    mended = rejected_path(file)
    mended.write_text(mended.read_text().replace(",none,", ",2,"))
    assert run_import(empty_shop, mended).accepted == 1
    file.write_text(file.read_text().replace(",none,", ",2,"))
    assert run_import(empty_shop, file).existing == 1
    (order,) = orders(empty_shop)
    assert (order["customer_name"], order["items"][0]["product"]) == ("'=Ada", "@tea")


def test_a_deleted_order_does_not_come_back(app: Flask, runtime: Runtime, tmp_path: Path) -> None:
    """The shop that placed it knows it by its events."""
    (order_id,) = place(runtime, a_request())
    file = export(app, tmp_path / "orders.csv")
    with transaction(runtime.store) as tx:
        delete_order(tx, order_id)
    assert run_import(runtime, file) == OrderImportResult(existing=1)


def test_an_order_that_changed_since_is_refused(
    app: Flask, runtime: Runtime, tmp_path: Path
) -> None:
    """Neither its old content nor an edited row is passed over in silence."""
    (order_id,) = place(runtime, a_request())
    file = export(app, tmp_path / "orders.csv")
    with transaction(runtime.store) as tx:
        change_order(tx, POLICY, order_id, {"customer_name": "Eve"})
    result = run_import(runtime, file)
    assert (result.accepted, result.rejected) == (0, 1)
    assert result.rejected_rows[0].reason.startswith("Order 1001 has other values in this shop")


def test_an_order_that_has_ended_is_not_revived(
    app: Flask, runtime: Runtime, tmp_path: Path, empty_shop: Runtime
) -> None:
    """Another shop refuses it; its own shop has it already."""
    cancelled, _ = place(runtime, a_request(), a_request("Bo"))
    with transaction(runtime.store) as tx:
        cancel_order(tx, cancelled)
    file = export(app, tmp_path / "orders.csv")
    assert run_import(runtime, file) == OrderImportResult(existing=2)
    result = run_import(empty_shop, file)
    assert (result.accepted, result.rejected) == (1, 1)
    assert result.rejected_rows[0].reason.startswith(
        "status: must be placed, confirmed or backordered for a new order "
    )


def test_an_order_in_another_currency_is_refused(
    app: Flask, runtime: Runtime, tmp_path: Path, empty_shop: Runtime
) -> None:
    """Its amounts would become others."""
    place(runtime, a_request())
    file = export(app, tmp_path / "orders.csv")
    file.write_text(file.read_text().replace(",EUR", ",USD"))
    (rejected,) = run_import(empty_shop, file).rejected_rows
    assert rejected.reason == "currency: must be EUR, the currency of this shop (found 'USD')"


def test_the_ids_of_other_systems_are_ignored(tmp_path: Path, empty_shop: Runtime) -> None:
    """Only the form of Daybook's own makes an order_id the reference."""
    file = tmp_path / "orders.csv"
    file.write_text(
        "order,order_id,customer_name,product,quantity,amount\n"
        f"A1,17,Ada,tea,1,1\nB2,{str(UUID(int=7)).upper().replace('-', '')},Bo,tea,1,1\n"
    )
    assert run_import(empty_shop, file).accepted == 2
    with empty_shop.store.read() as view:
        assert view.get(REFERENCES.name, "A1")
        assert view.get(REFERENCES.name, "B2")
