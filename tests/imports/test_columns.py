"""Columns are mapped to fields, empty cells filled, and mistaken options refused."""

from typing import Any

import pytest

from app.imports.columns import Columns, Reader, boolean, integer
from app.imports.remedies import Remedy, Unclear
from app.imports.tables import Row, Table
from app.kernel.errors import Invalid

FIELDS: dict[str, Reader] = {"sku": str, "quantity": integer, "backorder": boolean}


def columns(headings: tuple[str, ...] = ("sku", "quantity"), **options: dict[str, str]) -> Columns:
    table = Table("rows.csv", headings, [], is_typed=False)
    return Columns(table, FIELDS, options.get("column", {}), options.get("default", {}))


def read(cells: dict[str, Any], **options: dict[str, str]) -> dict[str, Any]:
    return columns(tuple(cells), **options).read(Row(2, cells))


def refusal(*headings: str, **options: dict[str, str]) -> str:
    with pytest.raises((Invalid, Unclear)) as refused:
        columns(headings, **options).require("sku")
    return str(refused.value)


def test_a_field_is_read_from_the_heading_it_is_mapped_to() -> None:
    """The mapped column takes precedence over one with the field's own name."""
    assert read({"sku": "tea", "StockCode": "85123A"}, column={"sku": "StockCode"}) == {
        "sku": "85123A"
    }


def test_headings_match_exactly() -> None:
    """Case matters: Quantity is not quantity."""
    assert read({"sku": "tea", "Quantity": "-1"}) == {"sku": "tea"}


@pytest.mark.parametrize("empty", ["", "  ", None])
def test_a_default_fills_an_empty_or_missing_cell(empty: str | None) -> None:
    """It is parsed as a cell would be."""
    assert read({"sku": "tea", "quantity": empty}, default={"quantity": "7"})["quantity"] == 7
    assert read({"sku": "tea"}, default={"quantity": "7"})["quantity"] == 7


@pytest.mark.parametrize(
    ("cell", "value"),
    [(" 12 ", 12), ("-1", -1), ("+4", 4), ("1.0", "1.0"), ("many", "many"), ("١", "١")],
)
def test_integers_are_parsed_and_other_text_is_kept(cell: str, value: object) -> None:
    """The schema refuses other text."""
    assert read({"quantity": cell})["quantity"] == value


@pytest.mark.parametrize(
    ("cell", "value"),
    [("true", True), ("Yes", True), ("1", True), ("FALSE", False), ("no", False), ("0", False)],
)
def test_booleans_are_parsed(cell: str, value: bool) -> None:
    """Upper and lower case make no difference."""
    assert read({"backorder": cell})["backorder"] is value


def test_json_values_are_not_parsed() -> None:
    """The types of NDJSON are kept: "5" is text, and 5 a number."""
    table = Table("rows.ndjson", ("quantity",), [], is_typed=True)
    reading = Columns(table, FIELDS, {}, {"backorder": "yes"})
    assert reading.read(Row(1, {"quantity": "5"})) == {"quantity": "5", "backorder": True}


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"column": {"skuu": "x"}}, "'skuu' is not a field; there are sku, quantity, "),
        ({"default": {"skuu": "x"}}, "'skuu' is not a field; there are sku, quantity, "),
        ({"column": {"sku": "SKU"}}, "rows.csv has no column SKU (for sku); it has "),
        (
            {"default": {"quantity": "x"}},
            "The default of quantity must be a whole number, not 'x'.",
        ),
        (
            {"default": {"backorder": "x"}},
            "The default of backorder must be true or false, not 'x'.",
        ),
    ],
)
def test_a_mistaken_option_is_refused(options: dict[str, dict[str, str]], reason: str) -> None:
    """The message names the known fields or headings."""
    assert refusal("sku", "quantity", **options).startswith(reason)


def test_a_required_field_needs_a_column_or_a_default() -> None:
    """One message instead of a rejection of each row."""
    with pytest.raises(Unclear) as refused:
        columns(("StockCode",), default={"backorder": "no"}).require("sku", "quantity", "backorder")
    assert str(refused.value) == (
        "rows.csv has no column sku and no column quantity; it has StockCode."
    )
    assert (refused.value.remedy, refused.value.field) == (Remedy.COLUMN, "sku")
    columns(("StockCode",), default={"sku": "tea"}).require("sku")


def test_a_duplicate_heading_is_refused() -> None:
    """A file in which two columns have the same heading is ambiguous."""
    assert refusal("sku", "sku") == "rows.csv has more than one column 'sku'."


def test_unused_columns_are_reported() -> None:
    """A misspelt heading is noticed."""
    assert columns(("sku", "Country", "")).unused() == ["Country"]
