"""Products come in once, whole, and by the rules; what is refused is told with its reason."""

from pathlib import Path

import pytest

from app.imports.columns import Columns
from app.imports.products import FIELDS, ProductImportResult, import_products
from app.imports.sample import SAMPLE, add_sample
from app.imports.tables import read_table
from app.inventory.schemas import product_request_schema
from app.inventory.service import PRODUCTS
from app.kernel.money import Currency
from app.server.runtime import Runtime
from app.store import Document

EUR = Currency("EUR")


def run_import(runtime: Runtime, file: Path, content: str, **defaults: str) -> ProductImportResult:
    file.write_text(content, "utf-8")
    table = read_table(file)
    columns = Columns(table, FIELDS, {}, defaults)
    return import_products(runtime, product_request_schema(EUR), table, columns)


def product(runtime: Runtime, sku: str) -> Document:
    with runtime.read() as view:
        found = view.get(PRODUCTS.name, sku)
    assert found is not None
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that is not written yet."""
    return tmp_path / "products.csv"


def test_every_field_is_brought_in(runtime: Runtime, file: Path) -> None:
    """Text is trimmed, numbers and truth values are read, and the stock status follows."""
    result = run_import(
        runtime,
        file,
        "sku,name,price,quantity,category,low_stock_threshold,backorder\n"
        "tea, Assam ,4.5,12,tea,20,yes\n",
    )
    assert result == ProductImportResult(added=1)
    stored = product(runtime, "tea")
    assert stored == stored | {
        "name": "Assam",
        "price": "4.50",
        "quantity": 12,
        "available": 12,
        "category": "tea",
        "low_stock_threshold": 20,
        "backorder": True,
        "stock_status": "low_stock",
    }


def test_the_first_row_of_a_sku_wins(runtime: Runtime, file: Path) -> None:
    """As in a list of order lines, where a product stands as often as it was sold."""
    result = run_import(runtime, file, "sku,price\ntea,4.50\nmug,1\ntea,9.99\n")
    assert (result.added, result.repeated) == (2, 1)
    assert product(runtime, "tea")["price"] == "4.50"


def test_a_refused_row_does_not_take_the_place_of_a_good_one(runtime: Runtime, file: Path) -> None:
    """The first row that can be brought in wins."""
    result = run_import(runtime, file, "sku,price\ntea,free\ntea,4.50\n")
    assert (result.added, len(result.rejected_rows)) == (1, 1)


def test_a_product_in_the_store_is_left_alone(runtime: Runtime, file: Path) -> None:
    """So a second import changes nothing."""
    run_import(runtime, file, "sku,price\ntea,4.50\n")
    before = product(runtime, "tea")
    assert run_import(runtime, file, "sku,price\ntea,9.99\n").existing == 1
    assert product(runtime, "tea") == before


def test_a_product_without_name_is_called_by_its_sku(runtime: Runtime, file: Path) -> None:
    """Unless there is a default."""
    run_import(runtime, file, "sku,name,price\ntea,,1\n")
    run_import(runtime, file, "sku,name,price\nmug,,1\n", name="Nameless")
    assert product(runtime, "tea")["name"] == "tea"
    assert product(runtime, "mug")["name"] == "Nameless"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",1,1", "sku: is required"),
        ("tea,-1,1", "price: must be a decimal in text"),
        ("tea,1.005,1", "price: has more than the 2 decimal places of EUR (found '1.005')"),
        ("tea,1,many", "quantity: must be a whole number (found 'many')"),
        ("tea,1,-3", "quantity: must be from 0 to 1000000000 (found '-3')"),
        ("t\x07a,1,1", "sku: must not have control characters"),
        ("tea,1", "the row has 2 cells, but there are 3 headings"),
    ],
)
def test_a_row_that_breaks_a_rule_is_refused(
    runtime: Runtime, file: Path, row: str, reason: str
) -> None:
    """The others are brought in; the reason says what was found."""
    result = run_import(runtime, file, f"sku,price,quantity\n{row}\nmug,1,1\n")
    assert result.added == 1
    (rejected,) = result.rejected_rows
    assert rejected.row.line == 2
    assert rejected.reason.startswith(reason)


def test_ndjson_is_as_strict_as_a_request(runtime: Runtime, tmp_path: Path) -> None:
    """A price is text, a quantity a number."""
    result = run_import(
        runtime,
        tmp_path / "products.ndjson",
        '{"sku":"tea","price":4.5}\n{"sku":["x"],"price":"1"}\n{"sku":"mug","price":"1","quantity":2}',
    )
    assert result.added == 1
    assert [rejected.row.line for rejected in result.rejected_rows] == [1, 2]


def test_many_products_take_several_transactions(runtime: Runtime, file: Path) -> None:
    """The progress tells of every row."""
    rows = "".join(f"sku-{number},1\n" for number in range(600))
    file.write_text(f"sku,price\n{rows}", "utf-8")
    table, told = read_table(file), list[int]()
    columns = Columns(table, FIELDS, {}, {})
    result = import_products(runtime, product_request_schema(EUR), table, columns, told.append)
    assert result.added == sum(told) == 600
    assert len(told) > 1


def test_the_sample_is_a_small_shop(runtime: Runtime) -> None:
    """Twenty products, one of them out of stock and sold all the same."""
    assert add_sample(runtime, EUR) == 20
    with runtime.read() as view:
        products = view.find(PRODUCTS.name).documents
    sold_out = [each for each in products if each["stock_status"] == "out_of_stock"]
    assert [each["backorder"] for each in sold_out] == [True]
    assert all(each["category"] and each["low_stock_threshold"] for each in products)


def test_only_an_empty_shop_gets_the_sample(runtime: Runtime, file: Path) -> None:
    """What a shop sells is its own affair."""
    run_import(runtime, file, "sku,price\ntea,4.50\n")
    assert SAMPLE.exists()
    assert add_sample(runtime, EUR) == 0
