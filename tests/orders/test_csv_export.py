"""GET /order as CSV, for spreadsheets and for `flask import orders`."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.config import Config
from app.inventory.service import add_product
from app.store.matching import EXPORT_BATCH_SIZE
from tests.conftest import CATALOGUE
from tests.over_http import body, place, read
from tests.transactions import transaction

CSV = {"Accept": "text/csv"}


@pytest.fixture(autouse=True)
def shop(catalogue: dict[str, str]) -> Iterator[None]:
    """Every test of this module has the catalogue."""
    yield


def csv_rows(client: FlaskClient, path: str = "/order") -> list[dict[str, str]]:
    """The rows of the CSV response, by heading."""
    answer = client.get(path, headers=CSV)
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


def test_each_line_is_a_row_with_its_order(client: FlaskClient) -> None:
    """Rows are in the list's order, with exact amounts and the order's data in every row."""
    first = place(client, 'Zoë, the "1st"', tea=2, mug=1)
    place(client, "Ada", tea=1)
    rows = csv_rows(client)
    assert [(row["order"], row["product"], row["quantity"]) for row in rows] == [
        ("1002", "tea", "1"),
        ("1001", "tea", "2"),
        ("1001", "mug", "1"),
    ]
    assert {row["customer_name"] for row in rows[1:]} == {'Zoë, the "1st"'}
    assert (rows[1]["name"], rows[1]["line_total"]) == ("Assam, 100 g", "9.00")
    assert rows[1]["order_id"] == first["order_id"]
    assert rows[1]["customer_email"] == ""


def test_csv_takes_filters_and_sorting_but_no_paging(client: FlaskClient) -> None:
    """The CSV has all selected orders; a request for a page of it is refused."""
    for name in ("Ada", "Eva", "Ada"):
        place(client, name, tea=1)
    assert [row["order"] for row in csv_rows(client, "/order?customer=ada&sort=date")] == [
        "1001",
        "1003",
    ]
    refused = client.get("/order?limit=2", headers=CSV)
    assert (refused.status_code, refused.mimetype) == (400, "application/problem+json")


def test_a_long_csv_is_complete(client: FlaskClient) -> None:
    """A CSV of several batches has every order once, like the list by pages."""
    for _ in range(EXPORT_BATCH_SIZE + 5):
        place(client, tea=1)
    listed = [str(order["number"]) for order in read(client, "/order?limit=200")["orders"]]
    assert [row["order"] for row in csv_rows(client)] == listed


def test_csv_is_streamed(client: FlaskClient) -> None:
    """Rows are read as they are sent, so an order placed meanwhile may be among them."""
    for _ in range(EXPORT_BATCH_SIZE * 2):
        place(client, "A" * 200, pot=1)
    answer = client.get("/order?sort=date", headers=CSV, buffered=False)
    pieces = iter(answer.iter_encoded())
    head = next(pieces)
    assert head.startswith(b"order,order_id,")
    assert answer.content_length is None
    late = place(client, pot=1)
    rest = b"".join(pieces)
    assert late["order_id"].encode() in rest
    answer.close()


def test_an_empty_csv_has_its_headings(client: FlaskClient) -> None:
    """An empty CSV has the headings, and the headers for a download."""
    answer = client.get("/order", headers=CSV)
    assert answer.text == (
        "order,order_id,order_date,status,payment_status,customer_name,customer_email,"
        "product,name,quantity,amount,line_total,currency\r\n"
    )
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8; header=present"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="orders.csv"'


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-2+3+cmd|' /C calc'!A0", "'-2+3+cmd|' /C calc'!A0"),
        ('+"a"', '\'+"a"'),
        ("-5", "-5"),
        ("Ada = Eva", "Ada = Eva"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("\uff0b\uff11", "'\uff0b\uff11"),
        ("\uff0d2+3", "'\uff0d2+3"),
        ("\uff20SUM(A1)", "'\uff20SUM(A1)"),
    ],
)
def test_no_cell_is_a_formula(client: FlaskClient, name: str, cell: str) -> None:
    """A customer named =1+1 stays text in a spreadsheet, and a number stays a number."""
    place(client, name, tea=1)
    assert [row["customer_name"] for row in csv_rows(client)] == [cell]


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("text/csv", "text/csv"),
        ("text/csv;q=0.5, application/json;q=0.4", "text/csv"),
        ("text/*", "text/csv"),
        ("text/csv;q=0.4, application/json", "application/json"),
        ("*/*", "application/json"),
        ("text/html", "application/json"),
        ("", "application/json"),
    ],
)
def test_accept_chooses_json_or_csv(client: FlaskClient, accept: str, media_type: str) -> None:
    """The response is JSON unless Accept prefers CSV, and varies by Accept."""
    answer = client.get("/order", headers={"Accept": accept})
    assert (answer.status_code, answer.mimetype) == (200, media_type)
    assert "Accept" in answer.headers["Vary"]


def test_a_failure_before_the_first_row_is_a_problem(client: FlaskClient) -> None:
    """The first row is read before the response starts, so an early failure gets its status."""
    refused = client.get("/order?cursor=made-up", headers=CSV)
    assert (refused.status_code, body(refused)["status"]) == (400, 400)


def test_an_exported_csv_can_be_imported(
    client: FlaskClient, tmp_path: Path, settled: Callable[[], None]
) -> None:
    """`flask import orders` reads the CSV as it is into another shop."""
    place(client, "Ada", tea=2, mug=1)
    place(client, "Eva", tea=1)
    file = tmp_path / "orders.csv"
    file.write_bytes(client.get("/order", headers=CSV).data)
    other = create_app(Config(data=tmp_path / "other"))
    try:
        assert imported(other, file) == lines(client)
    finally:
        other.extensions["daybook"].close()


def imported(other: Flask, file: Path) -> list[tuple[str, str, str]]:
    """The lines of the other shop's orders after the import of the file."""
    with transaction(other.extensions["daybook"].store) as tx:
        for product in CATALOGUE:
            add_product(tx, dict(product))
    result = other.test_cli_runner().invoke(args=["import", "orders", str(file)])
    assert result.exit_code == 0, result.output
    return lines(other.test_client())


def lines(client: FlaskClient) -> list[tuple[str, str, str]]:
    """(customer, lines, total) of every order, sorted."""
    return sorted(
        (order["customer_name"], json.dumps(order["items"]), order["total_amount"])
        for order in read(client, "/order")["orders"]
    )
