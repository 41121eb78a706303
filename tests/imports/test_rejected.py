"""The file of rejected rows."""

import csv
from pathlib import Path

import pytest

from app.imports.rejected import RejectedRow, rejected_path, write_rejected
from app.imports.tables import Row, Table

FILE = "shop.csv"


def written(folder: Path, *rows: Row) -> list[list[str]]:
    table = Table(FILE, ("line", "sku", "name"), list(rows), is_typed=True)
    write_rejected(folder / FILE, table, [RejectedRow(row, "no good") for row in rows])
    with rejected_path(folder / FILE).open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_rejected_rows_are_sorted_by_line_with_their_reason(tmp_path: Path) -> None:
    """The cells are kept; the line and reason of an earlier rejection are replaced."""
    rows = written(
        tmp_path,
        Row(9, {"line": "3", "sku": "mug", "name": "Mug, blue"}),
        Row(4, {"line": "2", "sku": "tea"}),
    )
    assert rows == [
        ["line", "reason", "sku", "name"],
        ["4", "no good", "tea", ""],
        ["9", "no good", "mug", "Mug, blue"],
    ]


@pytest.mark.parametrize("cell", ["=1+1", "@SUM(A1)", "+cmd", "-cmd", "\tx", "\nx", "\uff1d1+1"])
def test_formulas_are_escaped(tmp_path: Path, cell: str) -> None:
    """A spreadsheet that opens the file must not run them."""
    assert written(tmp_path, Row(2, {"sku": cell}))[1][2] == f"'{cell}"


@pytest.mark.parametrize("cell", ["-1", "+4.50", "-1,234.50"])
def test_negative_numbers_are_not_escaped(tmp_path: Path, cell: str) -> None:
    """They are not formulas."""
    assert written(tmp_path, Row(2, {"sku": cell}))[1][2] == cell


def test_json_values_are_written_as_json(tmp_path: Path) -> None:
    """Numbers and objects from NDJSON."""
    assert written(tmp_path, Row(2, {"sku": 5, "name": {"a": None}}))[1][2:] == [
        "5",
        '{"a":null}',
    ]


def test_without_rejected_rows_there_is_no_file(tmp_path: Path) -> None:
    """The file of an earlier import is removed."""
    written(tmp_path, Row(2, {"sku": "tea"}))
    write_rejected(tmp_path / FILE, Table(FILE, (), [], is_typed=False), [])
    assert not list(tmp_path.iterdir())


def test_the_file_is_written_as_the_source_was(tmp_path: Path) -> None:
    """Same delimiter and encoding; a reason that the encoding lacks is escaped."""
    row = Row(2, {"sku": "Käse; alt"})
    table = Table(FILE, ("sku",), [row], False, encoding="windows-1252", delimiter=";")
    write_rejected(tmp_path / FILE, table, [RejectedRow(row, "no ლ")])
    expected = 'line;reason;sku\n2;no \\u10da;"Käse; alt"\n'.encode("windows-1252")
    assert rejected_path(tmp_path / FILE).read_bytes() == expected


def test_the_file_is_not_taken_for_another_table(tmp_path: Path) -> None:
    """A loop over *.csv must not import the rows that were refused a moment ago."""
    written(tmp_path, Row(2, {"sku": "tea"}))
    assert not list(tmp_path.glob("*.csv"))


def test_the_file_is_not_written_through_a_link(tmp_path: Path) -> None:
    """Somebody who may write in the folder must not choose which file is replaced."""
    other = tmp_path / "other.txt"
    other.write_text("kept")
    target = rejected_path(tmp_path / FILE)
    for link in (target, target.with_name(f".{target.name}.next")):
        link.symlink_to(other)
    written(tmp_path, Row(2, {"sku": "tea"}))
    assert other.read_text() == "kept"
    assert not target.is_symlink()
