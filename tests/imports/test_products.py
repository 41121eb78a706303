"""Valid products are imported once; the others are rejected with a reason."""

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app.imports.columns import Columns
from app.imports.products import FIELDS, ProductImportResult, import_products
from app.imports.sample import SAMPLE, add_sample
from app.imports.tables import read_table
from app.inventory.documents import PRODUCTS
from app.inventory.schemas import product_request_schema
from app.kernel.money import Currency
from app.server.runtime import Runtime
from app.store import Document
from tests.over_http import read
from tests.repeating import RepeatingStore

EUR = Currency("EUR")


def run_import(runtime: Runtime, file: Path, content: str, **defaults: str) -> ProductImportResult:
    file.write_text(content, "utf-8")
    table = read_table(file)
    columns = Columns(table, FIELDS, {}, defaults)
    return import_products(runtime.store, product_request_schema(EUR), table, columns)


def product(runtime: Runtime, sku: str) -> Document:
    with runtime.store.read() as view:
        found = view.get(PRODUCTS.name, sku)
    assert found is not None
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The path of a file to write."""
    return tmp_path / "products.csv"


def test_a_repeated_transaction_counts_each_product_once(runtime: Runtime, file: Path) -> None:
    """A product that an undone run has added is not in the store already."""
    file.write_text("sku,price\ntea,4.50\ntea,4.50\nmug,no\n", "utf-8")
    table = read_table(file)
    store = RepeatingStore(runtime.config.data, runtime.collections)
    schema, columns = product_request_schema(EUR), Columns(table, FIELDS, {}, {})
    result = import_products(store, schema, table, columns)
    store.close()
    assert (result.added, result.existing, result.repeated) == (1, 0, 1)
    assert len(result.rejected_rows) == 1


def test_every_field_is_imported(runtime: Runtime, file: Path) -> None:
    """Text is trimmed, numbers and booleans are parsed, and the stock status is set."""
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


def test_a_repeated_sku_is_one_product(runtime: Runtime, file: Path) -> None:
    """A list of order lines repeats a product with each line."""
    result = run_import(runtime, file, "sku,price\ntea,4.50\nmug,1\ntea,4.50\ntea,4.5\n")
    assert (result.added, result.repeated, result.rejected_rows) == (2, 2, [])


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("tea,Assam,9.99,5", "price: contradicts line 2, '4.50' (found '9.99')"),
        ("tea,Ceylon,4.50,5", "name: contradicts line 2, 'Assam' (found 'Ceylon')"),
        ("tea,Assam,4.50,6", "quantity: contradicts line 2, '5' (found '6')"),
        ("tea,Assam,free,5", "price: must be a decimal number"),
    ],
)
def test_a_repeated_sku_with_other_content_is_rejected(
    runtime: Runtime, file: Path, row: str, reason: str
) -> None:
    """The first valid row counts, and the other names its line."""
    result = run_import(runtime, file, f"sku,name,price,quantity\ntea,Assam,4.50,5\n{row}\n")
    assert (result.added, result.repeated) == (1, 0)
    (rejected,) = result.rejected_rows
    assert (rejected.row.line, rejected.reason[: len(reason)]) == (3, reason)
    assert product(runtime, "tea")["price"] == "4.50"


def test_the_first_valid_row_of_a_sku_counts(runtime: Runtime, file: Path) -> None:
    """A rejected row before it does not block it."""
    result = run_import(runtime, file, "sku,price\ntea,free\ntea,4.50\n")
    assert (result.added, len(result.rejected_rows)) == (1, 1)


def test_a_product_without_name_has_its_sku_as_name(runtime: Runtime, file: Path) -> None:
    """Unless there is a default."""
    run_import(runtime, file, "sku,name,price\ntea,,1\n")
    run_import(runtime, file, "sku,name,price\nmug,,1\n", name="Nameless")
    assert product(runtime, "tea")["name"] == "tea"
    assert product(runtime, "mug")["name"] == "Nameless"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",1,1", "sku: is required"),
        ("tea,-1,1", "price: must be a decimal number"),
        ("tea,1.0051,1", "price: has more than the 2 decimal places of EUR (found '1.0051')"),
        ("tea,1.005,1", "price: has three decimals or means thousands (found '1.005')"),
        ("tea,1,many", "quantity: must be a whole number (found 'many')"),
        ("tea,1,-3", "quantity: must be from 0 to 1000000000 (found '-3')"),
        ("t\x07a,1,1", "sku: must not have control characters"),
        ("tea,1", "the row has 2 cells, but there are 3 headings"),
    ],
)
def test_an_invalid_row_is_rejected(runtime: Runtime, file: Path, row: str, reason: str) -> None:
    """The others are imported; the reason has the value found."""
    result = run_import(runtime, file, f"sku,price,quantity\n{row}\nmug,1,1\n")
    assert result.added == 1
    (rejected,) = result.rejected_rows
    assert rejected.row.line == 2
    assert rejected.reason.startswith(reason)


def test_ndjson_values_must_have_the_right_type(runtime: Runtime, tmp_path: Path) -> None:
    """A price is text, a quantity a number."""
    result = run_import(
        runtime,
        tmp_path / "products.ndjson",
        '{"sku":"tea","price":4.5}\n{"sku":["x"],"price":"1"}\n{"sku":"mug","price":"1","quantity":2}',
    )
    assert result.added == 1
    assert [rejected.row.line for rejected in result.rejected_rows] == [1, 2]


def test_another_name_or_price_than_the_shop_s_is_rejected(runtime: Runtime, file: Path) -> None:
    """The product stays as it is. What the row does not give, and the quantity, may differ."""
    run_import(runtime, file, "sku,name,price,quantity\ntea,Tea,4.50,3\nmug,Mug,8,1\n")
    assert run_import(runtime, file, "sku,price,quantity\ntea,4.5,9\n").existing == 1
    before = product(runtime, "tea")
    result = run_import(runtime, file, "sku,name,price\ntea,Tee,9\nmug,Mug,8\n")
    assert (result.added, result.existing) == (0, 1)
    [rejected] = result.rejected_rows
    assert (rejected.row.line, rejected.reason) == (
        2,
        "name: the shop has 'Tea', and an import changes no product (found 'Tee'); "
        "price: the shop has '4.50', and an import changes no product (found '9')",
    )
    assert product(runtime, "tea") == before


def test_many_products_take_several_transactions(runtime: Runtime, file: Path) -> None:
    """The progress reports every row."""
    rows = "".join(f"sku-{number},1\n" for number in range(600))
    file.write_text(f"sku,price\n{rows}", "utf-8")
    table, progress = read_table(file), list[int]()
    columns = Columns(table, FIELDS, {}, {})
    result = import_products(
        runtime.store, product_request_schema(EUR), table, columns, progress.append
    )
    assert result.added == sum(progress) == 600
    assert len(progress) > 1


def test_the_sample_is_a_complete_shop(runtime: Runtime) -> None:
    """Twenty products, one of them sold out with back-orders."""
    assert add_sample(runtime.store, EUR) == 20
    with runtime.store.read() as view:
        products = view.find(PRODUCTS.name).documents
    sold_out = [each for each in products if each["stock_status"] == "out_of_stock"]
    assert [each["backorder"] for each in sold_out] == [True]
    assert all(each["category"] and each["low_stock_threshold"] for each in products)


@pytest.mark.parametrize(
    ("code", "price"), [("JPY", "450"), ("EUR", "4.50"), ("KWD", "4.500"), ("CLP", "450")]
)
def test_the_sample_is_complete_in_every_currency(runtime: Runtime, code: str, price: str) -> None:
    """Prices in a currency without minor digits are a hundred times those in others."""
    assert add_sample(runtime.store, Currency(code)) == 20
    assert product(runtime, "notebook-a6")["price"] == price


def test_only_an_empty_shop_gets_the_sample(runtime: Runtime, file: Path) -> None:
    """A shop with a product is unchanged."""
    run_import(runtime, file, "sku,price\ntea,4.50\n")
    assert SAMPLE.exists()
    assert add_sample(runtime.store, EUR) == 0


def test_exported_archived_products_are_archived(
    runtime: Runtime, client: FlaskClient, file: Path
) -> None:
    """They are not on sale in the shop that imports them; those that it has stay as they are."""
    run_import(runtime, file, "sku,price,quantity,archived\ntea,4.50,3,true\nmug,1,,no\n")
    assert [each["sku"] for each in read(client, "/product")["products"]] == ["mug"]
    exported = client.get("/product?archived=true", headers={"Accept": "text/csv"}).text
    result = run_import(runtime, file, exported + exported.splitlines()[1].replace("tea", "tea-2"))
    assert (result.added, result.existing) == (1, 1)
    assert product(runtime, "tea-2")["archived"] is True
    result = run_import(runtime, file, "sku,price,archived\npot,9,maybe\nmug,1,yes\n")
    assert [each.reason for each in result.rejected_rows] == [
        "archived: must be true or false (found 'maybe')"
    ]


def test_exported_tax_rates_are_imported(runtime: Runtime, client: FlaskClient, file: Path) -> None:
    """The export has a column for them, which is empty where a product has none."""
    products = "sku,name,price,tax_rate\ntea,Tea,4.50,5.5\nmug,Mug,8,0\npot,Pot,30,\n"
    run_import(runtime, file, products)
    exported = client.get("/product", headers={"Accept": "text/csv"}).text
    copied = exported.replace("tea,", "tea-2,").replace("mug,", "mug-2,").replace("pot,", "pot-2,")
    assert run_import(runtime, file, copied) == ProductImportResult(added=3)
    rates = [product(runtime, sku).get("tax_rate") for sku in ("tea-2", "mug-2", "pot-2")]
    assert rates == ["5.5", "0", None]
    assert [product(runtime, sku).get("tax_rate") for sku in ("tea", "mug", "pot")] == rates


def test_a_tax_rate_with_a_decimal_comma_is_imported(runtime: Runtime, file: Path) -> None:
    """As spreadsheets in many countries write it."""
    run_import(runtime, file, "sku;price;tax_rate\ntea;4,50;5,5\n")
    assert product(runtime, "tea")["tax_rate"] == "5.5"


@pytest.mark.parametrize("rate", ["19%", "101", "-1"])
def test_a_wrong_tax_rate_is_rejected(runtime: Runtime, file: Path, rate: str) -> None:
    """With the rule, and the row is not imported."""
    result = run_import(runtime, file, f"sku,price,tax_rate\ntea,4.50,{rate}\n")
    [rejected] = result.rejected_rows
    assert "must be a percentage from 0 to 100" in rejected.reason
