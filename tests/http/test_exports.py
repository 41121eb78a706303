"""Products and ledger as CSV: the whole list, streamed. NDJSON: tests/events/test_event_feed.py."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.server.runtime import Runtime
from tests.over_http import place

CSV = {"Accept": "text/csv"}


@pytest.fixture(autouse=True)
def shop(client: FlaskClient, catalogue: dict[str, str], settled: Callable[[], None]) -> None:
    """The catalogue, a stock-take, and two orders."""
    client.post("/product/tea/stock", json={"change": -3, "reason": "=broken"})
    place(client, tea=2)
    place(client, mug=1)
    settled()


def rows_of(client: FlaskClient, path: str) -> list[dict[str, str]]:
    """The rows of a CSV response, by heading."""
    response = client.get(path, headers=CSV)
    assert response.status_code == 200, response.text
    assert response.mimetype == "text/csv" and "Accept" in response.vary
    return list(csv.DictReader(io.StringIO(response.text, newline="")))


def test_products_come_as_csv(client: FlaskClient) -> None:
    """All of them with the filters of the list; a flag is a word that an import reads."""
    rows = rows_of(client, "/product")
    assert [row["sku"] for row in rows] == ["mug", "pot", "tea", "tin"]
    tea, pot = rows[2], rows[1]
    assert (tea["price"], tea["quantity"], tea["reserved"]) == ("4.50", "97", "2")
    assert (tea["backorder"], pot["backorder"]) == ("false", "true")
    assert [row["sku"] for row in rows_of(client, "/product?category=tea")] == ["tea"]
    assert [row["sku"] for row in rows_of(client, "/product?q=te")] == ["pot", "tea", "tin"]


def test_exported_products_are_imported_as_they_are(
    client: FlaskClient, runtime: Runtime, app: Flask, tmp_path: Path
) -> None:
    """Into the same shop: every product is known."""
    file = tmp_path / "products.csv"
    file.write_bytes(client.get("/product", headers=CSV).data)
    done = app.test_cli_runner().invoke(args=["import", "products", str(file)])
    assert done.exit_code == 0, done.output
    assert "4" in done.output


def test_the_ledger_comes_as_csv(client: FlaskClient) -> None:
    """Newest line first; a formula in a reason gets an apostrophe."""
    rows = rows_of(client, "/product/tea/stock")
    assert [(row["change"], row["after"]) for row in rows] == [("-3", "97"), ("100", "100")]
    assert rows[0]["reason"] == "'=broken"
    assert client.get("/product/nothing/stock", headers=CSV).status_code == 404


@pytest.mark.parametrize("path", ["/order", "/product", "/product/tea/stock", "/event"])
@pytest.mark.parametrize("accept", ["application/json", "text/csv", "application/x-ndjson"])
def test_a_list_depends_on_accept(client: FlaskClient, path: str, accept: str) -> None:
    """Caches keep the formats of a list apart (RFC 9110, 12.5.5)."""
    assert "Accept" in client.get(path, headers={"Accept": accept}).vary


@pytest.mark.parametrize(
    "path", ["/product?limit=1", "/product?total=true", "/product/tea/stock?limit=1"]
)
def test_an_export_has_no_pages(client: FlaskClient, path: str) -> None:
    """400 rather than a part that looks like the whole."""
    assert client.get(path, headers=CSV).status_code == 400
