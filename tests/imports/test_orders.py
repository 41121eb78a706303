"""Orders are imported whole or not at all, and never twice."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from app.audit import recompute
from app.audit.report import documents_of
from app.billing.documents import INVOICES
from app.config import Config
from app.events.outbox import EVENTS, OUTBOX, timeline
from app.imports.columns import Columns
from app.imports.orders import FIELDS, OrderImport, OrderImportResult
from app.imports.remedies import Remedy
from app.imports.stock import UnreservedStock
from app.imports.tables import read_table
from app.inventory.documents import LEDGER, PRODUCTS, RESERVATIONS
from app.inventory.service import change_product, change_stock
from app.kernel.errors import Conflict
from app.orders.documents import ORDERS, REFERENCES
from app.orders.schemas import request_schema
from app.orders.service import OrderPolicy, delete_order, place_order
from app.server.runtime import Runtime
from app.shipping.documents import SHIPMENTS
from app.store import Document, Store
from tests.repeating import RepeatingStore
from tests.transactions import transaction

HEADINGS = "order,customer_name,product,quantity,amount,order_date"


@pytest.fixture
def config(config: Config) -> Config:
    """A shop in Berlin."""
    return replace(config, timezone=ZoneInfo("Europe/Berlin"))


@pytest.fixture
def file(tmp_path: Path, catalogue: dict[str, str]) -> Path:
    """The path of a file to write, for a shop with a catalogue."""
    return tmp_path / "orders.csv"


def run_import(
    runtime: Runtime,
    file: Path,
    *rows: str,
    headings: str = HEADINGS,
    store: Store | None = None,
    **defaults: str,
) -> OrderImportResult:
    file.write_text("\n".join([headings, *rows]), "utf-8")
    table, config = read_table(file), runtime.config
    work = OrderImport(
        OrderPolicy(config.currency), request_schema(config.currency), config.timezone
    )
    return work.run(store or runtime.store, table, Columns(table, FIELDS, {}, defaults))


def orders(runtime: Runtime) -> list[Document]:
    with runtime.store.read() as view:
        return view.find(ORDERS.name).documents


def test_a_repeated_transaction_counts_each_order_once(runtime: Runtime, file: Path) -> None:
    """So does the stock: of ten mugs, six and four are sold, and no more."""
    store = RepeatingStore(runtime.config.data, runtime.collections)
    rows = "A1,Ada,mug,6,,", "B2,Bo,mug,4,,", "C3,Cy,mug,1,,"
    result = run_import(runtime, file, *rows, store=store)
    store.close()
    assert (result.accepted, result.lines, result.rejected) == (2, 2, 1)
    assert [each.row.line for each in result.rejected_rows] == [4]
    assert len(orders(runtime)) == 2


def test_rows_of_one_reference_are_one_order(runtime: Runtime, file: Path) -> None:
    """Rows come in any order; a product may occur twice, and each line keeps its price."""
    result = run_import(
        runtime, file, "A1,Ada,tea,2,4.00,", "B2,Bo,tea,1,,", "A1,,tea,1,5,", "A1,,mug,1,,"
    )
    assert result == OrderImportResult(accepted=2, lines=4, total=Decimal("29.50"))
    ada, _ = orders(runtime)
    assert [(line["product"], line["amount"]) for line in ada["items"]] == [
        ("tea", "4.00"),
        ("tea", "5.00"),
        ("mug", "12.00"),
    ]
    assert ada["total_amount"] == "25.00"


def test_an_imported_order_records_its_reference(runtime: Runtime, file: Path) -> None:
    """Its history and its reference show the import; it emits order.placed."""
    run_import(runtime, file, "A1,Ada,tea,2,,")
    (order,) = orders(runtime)
    assert order["history"][0]["detail"] == "imported, reference A1"
    with runtime.store.read() as view:
        reference = view.get(REFERENCES.name, "A1")
        (event,) = timeline(view, order["order_id"])
    assert reference is not None
    assert reference["order_id"] == order["order_id"]
    assert event["event"]["type"] == "order.placed"


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("2010-12-01 08:26:00", "2010-12-01T07:26:00.000Z"),
        ("2010-07-01T08:26", "2010-07-01T06:26:00.000Z"),
        ("2010-12-01", "2010-11-30T23:00:00.000Z"),
        ("2010-12-01T08:26:00Z", "2010-12-01T08:26:00.000Z"),
        ("2010-12-01 08:26:00+05:30", "2010-12-01T02:56:00.000Z"),
    ],
)
def test_times_without_a_zone_are_in_the_shops_zone(
    runtime: Runtime, file: Path, written: str, stored: str
) -> None:
    """DAYBOOK_TIMEZONE names it; a zone in the file takes precedence."""
    run_import(runtime, file, f"A1,Ada,tea,1,,{written}")
    assert orders(runtime)[0]["order_date"] == stored


def test_customer_and_date_may_be_in_any_row(runtime: Runtime, file: Path) -> None:
    """Empty cells of other rows say nothing, and a default hides no filled cell."""
    run_import(
        runtime,
        file,
        "A1,,tea,1,,",
        "A1,Ada,mug,1,,2010-12-01",
        "A1,Ada,pot,1,,",
        customer_name="Walk-in",
        order_date="2011-01-01",
    )
    (order,) = orders(runtime)
    assert order["customer_name"] == "Ada"
    assert order["order_date"].startswith("2010-11-30")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("U1,Gus,mug,1,,", "customer_name: contradicts line 2, 'Fay' (found 'Gus')"),
        ("U1,,mug,1,,2011-01-01", "order_date: contradicts line 3, '2010-12-01' (found '2011-"),
    ],
)
def test_rows_that_contradict_each_other_are_rejected(
    runtime: Runtime, file: Path, row: str, reason: str
) -> None:
    """Two customers or dates under one reference are no order; each row names the line."""
    result = run_import(runtime, file, "U1,Fay,tea,1,,", "U1,Fay,tea,1,,2010-12-01", row)
    assert (result.accepted, result.rejected, orders(runtime)) == (0, 1, [])
    other = "its order is refused because of line 4"
    assert [each.reason for each in result.rejected_rows[:2]] == [other, other]
    assert result.rejected_rows[2].reason.startswith(reason)


def test_the_lines_of_an_order_may_be_minutes_apart(runtime: Runtime, file: Path) -> None:
    """A till dates each line; the first one is the order's, and another day contradicts it."""
    rows = ("U1,Fay,tea,1,,2010-12-01 16:57", "U1,Fay,mug,1,,1.12.2010 16:58")
    assert run_import(runtime, file, *rows).accepted == 1
    assert orders(runtime)[0]["order_date"] == "2010-12-01T15:57:00.000Z"


def test_an_order_needs_a_customer_in_one_of_its_rows(runtime: Runtime, file: Path) -> None:
    """Without any, the first row has the reason."""
    result = run_import(runtime, file, "X,,tea,1,,", "X,,mug,1,,")
    assert [each.reason for each in result.rejected_rows] == [
        "customer_name: is required",
        "its order is refused because of line 2",
    ]


def test_a_problem_of_the_order_is_that_of_the_row_it_is_from(runtime: Runtime, file: Path) -> None:
    """The reason stands beside the cell, which need not be in the first row."""
    result = run_import(runtime, file, "A1,Ada,tea,1,,", "A1,Ada,mug,1,,1/12/2010")
    assert [each.reason.partition(":")[0] for each in result.rejected_rows] == [
        "its order is refused because of line 3",
        "order_date",
    ]


def test_a_second_import_adds_nothing(runtime: Runtime, file: Path) -> None:
    """An order is known again by its content, also when it was deleted since."""
    run_import(runtime, file, "A1,Ada,tea,1,,", "B2,Bo,tea,1,4.5,", "B2,,mug,1,,")
    with transaction(runtime.store) as tx:
        delete_order(tx, "1001")
    result = run_import(
        runtime, file, "A1,Ada,tea,1,,", "B2,Bo,mug,1,,", "B2,Bo,tea,1,4.50,", "C3,Cy,tea,1,,"
    )
    assert result == OrderImportResult(accepted=1, lines=1, total=Decimal("4.50"), existing=2)
    assert [order["number"] for order in orders(runtime)] == [1002, 1003]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("A1,Ada,tea,2,,", "The reference A1 was imported before with other values."),
        ("A1,Eva,tea,1,,", "The reference A1 was imported before with other values."),
        ("A1,Ada,tea,1,,2010-12-01", "The reference A1 was imported before with other values."),
        ("A1,Ada,nonsense,-1,,", "quantity: must be from 1"),
    ],
)
def test_another_order_of_a_known_reference_is_rejected(
    runtime: Runtime, file: Path, row: str, reason: str
) -> None:
    """It is no repetition, so its rows are not passed over in silence."""
    run_import(runtime, file, "A1,Ada,tea,1,,")
    result = run_import(runtime, file, row)
    assert (result.existing, result.rejected) == (0, 1)
    assert result.rejected_rows[0].reason.startswith(reason)
    assert len(orders(runtime)) == 1


def test_a_reference_of_an_older_version_counts_as_the_same(runtime: Runtime, file: Path) -> None:
    """It was stored without a fingerprint of the content."""
    run_import(runtime, file, "A1,Ada,tea,1,,")
    with transaction(runtime.store) as tx:
        stored = tx.get(REFERENCES.name, "A1") or {}
        older = {name: stored[name] for name in ("reference", "order_id", "at")}
        tx.put(REFERENCES.name, older)
    assert run_import(runtime, file, "A1,Ada,tea,7,,").existing == 1


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("X,Ada,tea,-1,,", "quantity: must be from 1 to 1000000 (found '-1')"),
        ("X,Ada,tea,some,,", "quantity: must be a whole number (found 'some')"),
        ("X,Ada,tea,,,", "quantity: is required"),
        ("X,Ada,gong,1,,", "product: is not a product of this shop (found 'gong')"),
        ("X,Ada,tea,1,-4.5,", "amount: must be a decimal number"),
        ("X,Ada,tea,1,,12/2010", "order_date: must be a date or time such as"),
        ("X,Ada,tea,1,,1/12/2010", "order_date: may begin with day or month (found '1/12/2010')"),
        ("X,Ada,tea,1,1.000,", "amount: has three decimals or means thousands (found '1.000')"),
        ("X,Ada,tea,1,,0001-01-01", "order_date: must be a date or time such as"),
        ("X,Ada,mug,11,,", "Not enough in stock: wanted 11 of mug (10 available)."),
        ("X,Ada,tea,1", "the row has 4 cells, but there are 6 headings"),
    ],
)
def test_one_invalid_row_rejects_its_whole_order(
    runtime: Runtime, file: Path, row: str, reason: str
) -> None:
    """The other orders are imported, and no number is skipped."""
    result = run_import(runtime, file, "A1,Ada,tea,1,,", row, "X,Ada,tea,1,,", "B2,Bo,tea,1,,")
    assert (result.accepted, result.rejected) == (2, 1)
    assert [order["number"] for order in orders(runtime)] == [1001, 1002]
    bad, other = result.rejected_rows
    assert (bad.row.line, other.row.line) == (3, 4)
    assert bad.reason.startswith(reason)
    assert other.reason == "its order is refused because of line 3"


def test_each_invalid_row_has_its_own_reason(runtime: Runtime, file: Path) -> None:
    """The other rows of the order name the line of the first one."""
    result = run_import(runtime, file, "X,Ada,tea,1,,", "X,Ada,tea,-2,,", "X,Ada,gong,0,,")
    assert [rejected.reason.partition(":")[0] for rejected in result.rejected_rows] == [
        "its order is refused because of line 3",
        "quantity",
        "quantity",
    ]


@pytest.mark.parametrize("reference", ["", "  ", "x" * 101, "a\x01b"])
def test_a_row_without_a_valid_reference_is_rejected(
    runtime: Runtime, file: Path, reference: str
) -> None:
    """It belongs to no order."""
    result = run_import(runtime, file, f"{reference},Ada,tea,1,,", "A1,Ada,tea,1,,")
    assert (result.accepted, result.rejected, len(result.rejected_rows)) == (1, 0, 1)
    assert result.rejected_rows[0].reason.startswith("order: must be text of 1 to 100")


def test_defaults_fill_an_order(runtime: Runtime, file: Path) -> None:
    """A customer and a quantity; a missing amount is the product's price."""
    run_import(
        runtime, file, "A1,tea", headings="order,product", customer_name="Walk-in", quantity="3"
    )
    (order,) = orders(runtime)
    assert (order["customer_name"], order["total_amount"]) == ("Walk-in", "13.50")


def test_ndjson_values_must_have_the_right_type(runtime: Runtime, file: Path) -> None:
    """A reference is text and a quantity a number; null is empty."""
    rows = [
        '{"order":"A1","customer_name":"Ada","product":"tea","quantity":2,"amount":null}',
        '{"order":7,"customer_name":"Ada","product":"tea","quantity":2}',
        '{"order":"B2","customer_name":"Bo","product":"tea","quantity":"2"}',
    ]
    lines = file.with_suffix(".ndjson")
    result = run_import(runtime, lines, *rows[1:], headings=rows[0])
    assert (result.accepted, result.rejected) == (1, 1)
    assert [rejected.row.line for rejected in result.rejected_rows] == [2, 3]


def test_an_order_may_exceed_the_batch_size(runtime: Runtime, file: Path) -> None:
    """It is one transaction; the others follow in further batches."""
    many = [f"BIG,Ada,pot,1,0.0{line % 10}," for line in range(700)]
    few = [f"S{number},Bo,pot,1,," for number in range(120)]
    result = run_import(runtime, file, *few[:60], *many, *few[60:])
    assert (result.accepted, result.lines, result.rejected) == (121, 820, 0)


def test_an_accepted_order_is_confirmed(
    runtime: Runtime, file: Path, settled: Callable[[], None]
) -> None:
    """Rows count the stock that those before them take; a rejected order takes none."""
    rows = [f"R{number},Ada,mug,3,," for number in range(5)]
    result = run_import(runtime, file, *rows, "S,Bo,mug,1,,", "T,Cy,mug,1,,")
    assert (result.accepted, result.waiting, result.rejected) == (4, 0, 3)
    reason = "Not enough in stock: wanted 3 of mug (1 available)."
    assert [each.reason for each in result.rejected_rows[:2]] == [reason, reason]
    settled()
    assert {order["status"] for order in orders(runtime)} == {"confirmed"}


def test_an_import_counts_what_earlier_orders_will_take(
    runtime: Runtime, file: Path, settled: Callable[[], None]
) -> None:
    """Also without a running server, and not a second time once the goods are reserved."""
    assert run_import(runtime, file, "A1,Ada,mug,6,,").accepted == 1
    assert run_import(runtime, file, "A2,Ada,mug,6,,").rejected == 1
    settled()
    assert run_import(runtime, file, "A2,Ada,mug,4,,").accepted == 1


def test_stock_that_is_reserved_meanwhile_counts_once(
    runtime: Runtime, catalogue: dict[str, str], settled: Callable[[], None]
) -> None:
    """A server may reserve the first orders of a file while the import goes on."""
    request = {"customer_name": "Ada", "items": [{"product": "mug", "quantity": 4}]}
    stock = UnreservedStock(runtime.store)
    for _ in range(2):
        with transaction(runtime.store) as tx:
            stock.take(tx, place_order(tx, OrderPolicy(runtime.config.currency), request))
        settled()
    with transaction(runtime.store) as tx, pytest.raises(Conflict, match="2 available"):
        stock.take(tx, {"order_id": "x", "items": [{"product": "mug", "quantity": 3}]})


def test_orders_that_wait_for_stock_are_counted(
    runtime: Runtime, file: Path, settled: Callable[[], None]
) -> None:
    """One teapot is there, and more can be ordered."""
    result = run_import(runtime, file, "A,Ada,pot,3,,", "B,Bo,pot,1,,", "C,Cy,pot,1,,")
    assert (result.accepted, result.waiting) == (3, 2)
    settled()
    statuses = [order["status"] for order in orders(runtime)]
    assert sorted(statuses) == ["backordered", "backordered", "confirmed"]


def run_history(runtime: Runtime, file: Path, *rows: str) -> OrderImportResult:
    file.write_text("\n".join([f"{HEADINGS},status,payment_status,customer_email", *rows]), "utf-8")
    currency = runtime.config.currency
    schema, zone = request_schema(currency), runtime.config.timezone
    work = OrderImport(OrderPolicy(currency), schema, zone, is_history=True)
    table = read_table(file)
    return work.run(runtime.store, table, Columns(table, FIELDS, {}, {}))


def test_history_changes_nothing_else(
    runtime: Runtime, file: Path, settled: Callable[[], None]
) -> None:
    """No mail, payment, shipment or stock: no event is there that a service could act on."""
    settled()
    before = everything(runtime)
    result = run_history(
        runtime,
        file,
        "A,Ada,mug,500,9.00,2010-12-01,delivered,paid,ada@example.org",
        "B,Bo,tea,1,,2010-12-02,cancelled,refunded,bo@example.org",
        "C,Cy,discontinued,1,1.00,2010-12-03,failed,,",
        "D,Di,tea,1,,2010-12-03,shipped,,",
    )
    assert (result.accepted, result.rejected) == (4, 0)
    settled()
    assert everything(runtime) == before
    found = [(each["status"], each["payment_status"]) for each in orders(runtime)]
    assert found == [
        ("delivered", "paid"),
        ("cancelled", "refunded"),
        ("failed", "pending"),
        ("shipped", "paid"),
    ]
    assert orders(runtime)[0]["order_date"] == "2010-11-30T23:00:00.000Z"
    assert find_differences(runtime) == []


def test_history_takes_products_that_are_no_longer_sold(runtime: Runtime, file: Path) -> None:
    """They keep the name that the catalogue has for them."""
    with transaction(runtime.store) as tx:
        change_stock(tx, "tea", {"count": 0}, "ada")
        change_product(tx, "tea", {"archived": True})
    assert run_history(runtime, file, "A,Ada,tea,1,,2010-12-01,delivered,,").accepted == 1
    assert orders(runtime)[0]["items"][0]["name"] == "Assam, 100 g"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (
            "A,Ada,tea,1,,2010-12-01,confirmed,,",
            "status: must be shipped, delivered, cancelled or failed",
        ),
        ("A,Ada,tea,1,,2010-12-01,,,", "status: is required of a past order"),
        ("A,Ada,tea,1,,,delivered,,", "order_date: is required of a past order"),
        (
            "A,Ada,tea,1,,2010-12-01,delivered,x,",
            "payment_status: must be pending, paid, failed or",
        ),
        ("A,Ada,gone,1,,2010-12-01,delivered,,", "amount: is required: the product has no price"),
    ],
)
def test_history_needs_the_states_in_which_orders_ended(
    runtime: Runtime, file: Path, row: str, reason: str
) -> None:
    """An open order is placed by an import without --history."""
    result = run_history(runtime, file, row)
    assert (result.accepted, result.rejected) == (0, 1)
    assert result.rejected_rows[0].reason.startswith(reason)


def test_history_is_imported_once(runtime: Runtime, file: Path) -> None:
    """The same states are a repetition; others are another content."""
    row = "A,Ada,tea,1,,2010-12-01,delivered,paid,"
    run_history(runtime, file, row)
    assert run_history(runtime, file, row).existing == 1
    assert run_history(runtime, file, row.replace("paid", "refunded")).rejected == 1


def test_an_order_that_has_ended_is_not_placed(runtime: Runtime, file: Path) -> None:
    """Its goods would be sent a second time."""
    result = run_import(
        runtime,
        file,
        "A,Ada,tea,1,,,complete",
        "B,Bo,tea,1,,,placed",
        headings=f"{HEADINGS},status",
    )
    assert (result.accepted, result.rejected) == (1, 1)
    (rejected,) = result.rejected_rows
    assert rejected.reason.endswith("confirmed or backordered for a new order (found 'complete')")
    assert rejected.remedies == (Remedy.HISTORY,)


def everything(runtime: Runtime) -> dict[str, list[Document]]:
    """All that could follow from an order: events, invoices, shipments, reservations, stock."""
    collections = (OUTBOX, EVENTS, INVOICES, SHIPMENTS, RESERVATIONS, PRODUCTS, LEDGER)
    with runtime.store.read() as view:
        return {each.name: list(documents_of(view, each.name)) for each in collections}


def find_differences(runtime: Runtime) -> list[object]:
    """Return the differences that `flask check` finds."""
    with runtime.store.read() as view:
        return list(recompute(view).differences)
