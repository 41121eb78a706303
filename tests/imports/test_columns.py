"""Foreign headings are mapped, empty cells filled, and mistakes in the options refused at once."""

from typing import Any

import pytest

from app.imports.columns import Columns, Reader, boolean, integer
from app.imports.tables import Row, Table
from app.kernel.errors import Invalid

FIELDS: dict[str, Reader] = {"sku": str, "quantity": integer, "backorder": boolean}


def columns(headings: tuple[str, ...] = ("sku", "quantity"), **options: dict[str, str]) -> Columns:
    table = Table("rows.csv", headings, [], is_typed=False)
    return Columns(table, FIELDS, options.get("column", {}), options.get("default", {}))


def read(cells: dict[str, Any], **options: dict[str, str]) -> dict[str, Any]:
    return columns(tuple(cells), **options).read(Row(2, cells))


def refusal(*headings: str, **options: dict[str, str]) -> str:
    with pytest.raises(Invalid) as refused:
        columns(headings, **options).require("sku")
    return str(refused.value)


def test_a_field_is_read_from_the_heading_it_is_mapped_to() -> None:
    """Not from one that has its own name."""
    assert read({"sku": "tea", "StockCode": "85123A"}, column={"sku": "StockCode"}) == {
        "sku": "85123A"
    }


def test_headings_match_exactly() -> None:
    """Quantity is not quantity."""
    assert read({"sku": "tea", "Quantity": "-1"}) == {"sku": "tea"}


@pytest.mark.parametrize("empty", ["", "  ", None])
def test_a_default_fills_what_is_empty(empty: str | None) -> None:
    """Or missing; it is read as a cell would be."""
    assert read({"sku": "tea", "quantity": empty}, default={"quantity": "7"})["quantity"] == 7
    assert read({"sku": "tea"}, default={"quantity": "7"})["quantity"] == 7


@pytest.mark.parametrize(
    ("cell", "value"),
    [(" 12 ", 12), ("-1", -1), ("+4", 4), ("1.0", "1.0"), ("many", "many"), ("١", "١")],
)
def test_whole_numbers_are_read_and_others_left_for_the_schema(cell: str, value: object) -> None:
    assert read({"quantity": cell})["quantity"] == value


@pytest.mark.parametrize(
    ("cell", "value"),
    [("true", True), ("Yes", True), ("1", True), ("FALSE", False), ("no", False), ("0", False)],
)
def test_truth_values_are_read(cell: str, value: bool) -> None:
    assert read({"backorder": cell})["backorder"] is value


def test_json_values_are_taken_at_their_word() -> None:
    """In NDJSON "5" is a text, and 5 a number."""
    table = Table("rows.ndjson", ("quantity",), [], is_typed=True)
    reading = Columns(table, FIELDS, {}, {"backorder": "yes"})
    assert reading.read(Row(1, {"quantity": "5"})) == {"quantity": "5", "backorder": True}


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"column": {"skuu": "x"}}, "--column: 'skuu' is not a field; there are sku, quantity, "),
        ({"default": {"skuu": "x"}}, "--default: 'skuu' is not a field; there are sku, quantity, "),
        ({"column": {"sku": "SKU"}}, "rows.csv has no column SKU (for sku); it has "),
        ({"default": {"quantity": "x"}}, "--default: quantity must be a whole number, not 'x'."),
        ({"default": {"backorder": "x"}}, "--default: backorder must be true or false, not 'x'."),
    ],
)
def test_a_mistaken_option_is_refused(options: dict[str, dict[str, str]], reason: str) -> None:
    """The sentence names what there is."""
    assert refusal("sku", "quantity", **options).startswith(reason)


def test_a_required_field_needs_a_column_or_a_default() -> None:
    """Better one sentence than a refusal of each row."""
    with pytest.raises(Invalid) as refused:
        columns(("StockCode",), default={"backorder": "no"}).require("sku", "quantity", "backorder")
    assert str(refused.value) == (
        "rows.csv has no column sku and no column quantity; it has StockCode. Name another one "
        "with --column sku=HEADING, or say what counts for all rows with --default sku=VALUE."
    )
    columns(("StockCode",), default={"sku": "tea"}).require("sku")


def test_a_heading_that_stands_twice_is_refused() -> None:
    """Which of the two would count?"""
    assert refusal("sku", "sku") == "rows.csv has more than one column 'sku'."


def test_columns_that_are_not_used_are_known() -> None:
    """An operator sees a heading that was misspelt."""
    assert columns(("sku", "Country", "")).unused() == ["Country"]
