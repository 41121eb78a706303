"""`flask import`: its output, the file of refused rows, and a kill in the middle."""

import json
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from time import monotonic, sleep

import pytest

from app.config import Config
from app.orders.documents import ORDERS
from app.server.runtime import Runtime
from app.store import Document
from tests.cli import shell
from tests.cli.conftest import Give


def mapped(**headings: str) -> list[str]:
    """The options that map these fields to foreign headings."""
    named = (f"{field}={heading}" for field, heading in headings.items())
    return [word for name in named for word in ("--column", name)]


SHOP = mapped(sku="StockCode", name="Description", price="UnitPrice")
SALES = mapped(
    order="InvoiceNo",
    product="StockCode",
    quantity="Quantity",
    amount="UnitPrice",
    customer_name="CustomerID",
)
ORDERS_IN_FILE = 400


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A day of a foreign shop: three orders, one of them with a returned line."""
    file = tmp_path / "day.csv"
    file.write_text(
        "InvoiceNo,StockCode,Description,Quantity,UnitPrice,CustomerID,Country\n"
        "1,84,Mug,6,2.55,17850,UK\n"
        "2,71,Lantern,2,3.39,,UK\n"
        "1,71,Lantern,1,3.39,17850,UK\n"
        "C3,84,Mug,-1,2.55,17850,UK\n"
        "C3,71,Lantern,1,3.39,17850,UK\n"
    )
    return file


def orders(runtime: Runtime) -> list[Document]:
    with runtime.store.read() as view:
        return view.find(ORDERS.name).documents


def test_a_foreign_file_is_imported(flask: Give, file: Path, runtime: Runtime) -> None:
    """Products first, then orders; the summary says what came of it."""
    products = flask("import", "products", file, *SHOP, "--default", "quantity=1000")
    assert products.exit_code == 0
    assert products.stdout.startswith(
        "Products: 2 added, 0 already there, 3 rows repeat a sku, 0 refused.\n"
        "Columns not used: InvoiceNo, Quantity, CustomerID, Country.\n"
    )
    sold = flask("import", "orders", file, *SALES, "--default", "customer_name=Walk-in")
    assert sold.exit_code == 1
    assert "Orders: 2 accepted (3 lines, 25.47 EUR), 0 already imported, 1 refused." in sold.stdout
    assert [order["customer_name"] for order in orders(runtime)] == ["17850", "Walk-in"]


def test_refused_rows_stand_beside_the_file(flask: Give, file: Path) -> None:
    """Every row of a refused order, with line and reason; a corrected file can be imported."""
    flask("import", "products", file, *SHOP, "--default", "quantity=1000")
    result = flask("import", "orders", file, *SALES, "--default", "customer_name=Walk-in").stdout
    rejected = file.with_name("day.csv.rejected.txt")
    assert f"2 refused rows, with reasons, are in {rejected}." in result
    lines = rejected.read_text().splitlines()
    assert lines[0] == f"line,reason,{file.read_text().splitlines()[0]}"
    assert lines[1].startswith("5,quantity: must be from 1 to 1000000 (found '-1'),C3,84,Mug,-1")
    assert lines[2].startswith("6,its order is refused because of line 5,C3,71,Lantern,1")

    rejected.write_text(rejected.read_text().replace("-1", "1"))
    again = flask("import", "orders", rejected, *SALES)
    assert (again.exit_code, "1 accepted (2 lines" in again.stdout) == (0, True)


def test_a_european_spreadsheet_is_imported(flask: Give, tmp_path: Path, runtime: Runtime) -> None:
    """Its formats are announced; mended rows of the file of refused rows come in the same way."""
    goods, sold = tmp_path / "waren.csv", tmp_path / "verkauf.csv"
    goods.write_bytes(
        "sep=;\r\nsku;name;price;quantity\r\ntee;Grüner Tee;1.234,50;9\r\n".encode("cp1252")
    )
    sold.write_bytes(
        "order;customer_name;product;quantity;amount;order_date\r\n"
        "A1;Jürgen;tee;1;12,50;1.12.2010\r\n"
        "A2;Öz;tee;1;1.000;24.12.2010 08:26\r\n".encode("cp1252")
    )
    latin = ("--encoding", "windows-1252")
    assert (
        "save the file as UTF-8, or name its encoding" in flask("import", "products", goods).stderr
    )
    products = flask("import", "products", goods, *latin)
    assert (products.exit_code, "1 added" in products.stdout) == (0, True)
    assert "price is read with the decimal sign ',' and '.' between thousands" in products.stdout

    result = flask("import", "orders", sold, *latin)
    assert result.exit_code == 1
    assert "order_date is read as day, month, year, as in line 2 (1.12.2010)." in result.stdout
    rejected = sold.with_name("verkauf.csv.rejected.txt")
    mended = rejected.read_bytes().replace(b";1.000;", b";1000,00;")
    assert "Öz;tee;1;1000,00".encode("cp1252") in mended
    rejected.write_bytes(mended)
    assert flask("import", "orders", rejected, *latin).exit_code == 0
    found = [
        (each["customer_name"], each["total_amount"], each["order_date"])
        for each in orders(runtime)
    ]
    assert found == [
        ("Jürgen", "12.50", "2010-12-01T00:00:00.000Z"),
        ("Öz", "1000.00", "2010-12-24T08:26:00.000Z"),
    ]


def test_refused_rows_name_the_options_that_help(flask: Give, tmp_path: Path) -> None:
    """Of amounts and dates that can be read in two ways, and of orders that have ended."""
    goods, sold = tmp_path / "goods.csv", tmp_path / "sold.csv"
    goods.write_text("sku,price\ntea,1.005\nmug,1\n")
    sold.write_text(
        "order,customer_name,product,quantity,order_date,status\n"
        "A,Ada,mug,1,1/2/2026,placed\nB,Bo,mug,1,2026-01-02,delivered\n"
    )
    flask("import", "products", goods)
    refused = tmp_path.joinpath("goods.csv.rejected.txt").read_text()
    assert "thousands (found '1.005'); say which by --decimal or --thousands,tea" in refused
    flask("import", "orders", sold)
    first, second = tmp_path.joinpath("sold.csv.rejected.txt").read_text().splitlines()[1:]
    assert "may begin with day or month (found '1/2/2026'); say which by --date-format" in first
    assert "(found 'delivered'); an order that has ended needs --history" in second


def test_last_years_orders_are_history(flask: Give, file: Path, runtime: Runtime) -> None:
    """They need a date and a state, from the file or for all rows; nothing is packed for them."""
    flask("import", "products", file, *SHOP)
    options = (*SALES, "--default", "customer_name=Walk-in", "--history")
    refused = flask("import", "orders", file, *options)
    assert refused.exit_code == 2
    assert "day.csv has no column order_date and no column status" in refused.stderr
    states = ("--default", "order_date=2010-12-01", "--default", "status=delivered")
    result = flask("import", "orders", file, *options, *states)
    assert "Orders: 2 accepted (3 lines, 25.47 EUR)" in result.stdout
    assert {(each["status"], each["is_past"]) for each in orders(runtime)} == {("delivered", True)}


def test_orders_that_wait_for_stock_are_reported(flask: Give, tmp_path: Path) -> None:
    """They are accepted, but not confirmed."""
    goods, sold = tmp_path / "goods.csv", tmp_path / "sold.csv"
    goods.write_text("sku,price,backorder\ntea,1,yes\n")
    sold.write_text("order,customer_name,product,quantity\nA,Ada,tea,1\n")
    flask("import", "products", goods)
    assert "1 of the accepted orders wait for stock." in flask("import", "orders", sold).stdout


def test_refused_rows_are_printed_when_they_cannot_be_written(flask: Give, file: Path) -> None:
    """A folder stands where the file of refused rows should go."""
    flask("import", "products", file, *SHOP, "--default", "quantity=1000")
    file.with_name("day.csv.rejected.txt").mkdir()
    result = flask("import", "orders", file, *SALES, "--default", "customer_name=Walk-in")
    assert result.exit_code == 1
    assert "day.csv.rejected.txt cannot be written (Is a directory)" in result.stderr
    assert "5,quantity: must be from 1" in result.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["none.csv"], "none.csv cannot be read: No such file or directory."),
        (["."], "cannot be read: Is a directory."),
        (["day.csv"], "day.csv has no column sku"),
        (
            ["day.csv"],
            "; name another one with --column sku=HEADING, or say what counts for all rows",
        ),
        (["day.csv", *SHOP, "--default", "low_stock_threshold=x"], "threshold must be a whole"),
        (
            ["latin.csv"],
            "latin.csv, line 1: not UTF-8 (byte 0xe4); save the file as UTF-8, or name ",
        ),
        (["latin.csv"], "its encoding, such as --encoding windows-1252."),
        (["mixed.csv"], "line 2 (1,50) and line 3 (1.50); say which by --decimal or --thousands."),
        (["day.csv", *SHOP, "--default", "qty=1"], "'qty' is not a field; there are "),
        (["day.csv", "--encoding", "base64"], "'base64' is not an encoding of text."),
        (["day.csv", *SHOP, "--decimal", ".", "--thousands", "."], "must be different signs."),
        (["day.csv", "--column", "sku"], "'sku' must be FIELD=VALUE."),
        (["day.csv", "--column", "sku=a", "--column", "sku=b"], "sku is given twice."),
    ],
)
def test_a_mistake_is_reported_in_a_sentence(
    flask: Give, file: Path, words: list[str], sentence: str
) -> None:
    """Exit code 2, and nothing is changed."""
    file.with_name("latin.csv").write_bytes(b"sku,price,k\xe4se\n")
    file.with_name("mixed.csv").write_text('sku,price\na,"1,50"\nb,1.50\n')
    path, *options = words
    result = flask("import", "products", file.parent / path, *options)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.deep
def test_a_killed_import_is_finished_by_the_next(tmp_path: Path, config: Config) -> None:
    """After kill -9 at several moments, every order is in the shop once."""
    sold = tmp_path / "sold.csv"
    rows = [f"R{number},Ada,tea,1" for number in range(ORDERS_IN_FILE)] * 2
    sold.write_text("\n".join(["order,customer_name,product,quantity", *rows]))
    goods = tmp_path / "goods.csv"
    goods.write_text("sku,price,quantity\ntea,4.50,1000000\n")
    assert shell.run(config.data, "import", "products", str(goods))[0] == 0
    for grown_bytes in (1, 40_000, 200_000):
        _kill_when_grown(config.data, grown_bytes, "import", "orders", str(sold))

    code, out, _ = shell.run(config.data, "import", "orders", str(sold))
    assert code == 0
    assert "0 refused" in out
    _, again, _ = shell.run(config.data, "import", "orders", str(sold))
    assert f"Orders: 0 accepted (0 lines, 0.00 EUR), {ORDERS_IN_FILE} already imported" in again
    _check_books(config.data)


def _kill_when_grown(data: Path, grown_bytes: int, *words: str) -> None:
    """Start the command and kill it once it has added so much to the journal (or has ended)."""
    before = _journal_bytes(data)
    process = shell.start(data, *words)
    deadline = monotonic() + shell.PATIENCE_S
    while process.poll() is None and _journal_bytes(data) < before + grown_bytes:
        assert monotonic() < deadline
        sleep(0.0005)
    shell.end(process)


def _journal_bytes(data: Path) -> int:
    total = 0
    for path in (data / "journal").glob("*.ndjson"):
        with suppress(FileNotFoundError):  # a checkpoint of the command may remove it meanwhile
            total += path.stat().st_size
    return total


def _check_books(data: Path) -> None:
    found = json.loads((data / "orders.json").read_bytes())
    assert [order["number"] for order in found] == list(range(1001, 1001 + ORDERS_IN_FILE))
    assert len({order["history"][0]["detail"] for order in found}) == ORDERS_IN_FILE
    assert sum(Decimal(order["total_amount"]) for order in found) == ORDERS_IN_FILE * 9
