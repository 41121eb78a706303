"""Tables are read from CSV and NDJSON, or refused with file, line and reason."""

from pathlib import Path

import pytest

from app.imports.tables import Table, read_table
from app.kernel.errors import Malformed


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The path of a file to write."""
    return tmp_path / "rows.csv"


def table(file: Path, content: str | bytes) -> Table:
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_table(file)


def refusal(file: Path, content: str | bytes) -> str:
    with pytest.raises(Malformed) as refused:
        table(file, content)
    return str(refused.value)


def test_rows_are_read_by_heading(file: Path) -> None:
    """Headings are trimmed; cells are not."""
    read = table(file, "sku, price\ntea, 4.50\n")
    assert read.headings == ("sku", "price")
    assert [row.cells for row in read.rows] == [{"sku": "tea", "price": " 4.50"}]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_detected_in_the_headings(file: Path, delimiter: str) -> None:
    """Comma, semicolon or tab, as spreadsheets write it."""
    text = "sku|name|price\ntea|Assam, or so; fine|4.50\n".replace("|", delimiter)
    if delimiter != "\t":
        text = text.replace("Assam, or so; fine", '"Assam, or so; fine"')
    (row,) = table(file, text).rows
    assert row.cells == {"sku": "tea", "name": "Assam, or so; fine", "price": "4.50"}


def test_a_delimiter_inside_quotes_is_not_counted(file: Path) -> None:
    """A heading may have commas in it, and a line break."""
    read = table(file, '"Name, Art, Farbe, Maß";sku;"a,b\n,c"\nTee;tea;x\n')
    assert read.headings == ("Name, Art, Farbe, Maß", "sku", "a,b\n,c")


@pytest.mark.parametrize("named", ["sep=;", '"sep=;"', "SEP=;;;"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_line_may_name_the_delimiter(file: Path, named: str, ending: str) -> None:
    """Spreadsheets write it before the headings; it counts as a line."""
    read = table(file, ending.join([f"\ufeff{named}", "a,b;c", "1;2", ""]))
    assert (read.headings, read.delimiter) == (("a,b", "c"), ";")
    assert [(row.line, row.cells) for row in read.rows] == [(3, {"a,b": "1", "c": "2"})]


def test_a_named_encoding_is_used(file: Path) -> None:
    """Older spreadsheets write Windows-1252."""
    file.write_bytes("sku;name\ntea;Käse für 2 €\n".encode("windows-1252"))
    read = read_table(file, "windows-1252")
    assert read.rows[0].cells["name"] == "Käse für 2 €"
    assert (read.encoding, read.delimiter) == ("windows-1252", ";")
    with pytest.raises(Malformed, match=r"rows.csv, line 2: not ascii \(byte 0xe4\)"):
        read_table(file, "ascii")


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_lines_are_counted_as_an_editor_counts_them(file: Path, ending: str) -> None:
    """Empty rows and line breaks inside quotes count as lines."""
    text = ending.join(["sku,name", 'tea,"As', 'sam"', "", ",", "mug,Mug", ""])
    assert [row.line for row in table(file, text).rows] == [2, 6]


def test_a_byte_order_mark_is_not_part_of_a_heading(file: Path) -> None:
    """Spreadsheets write it in front of UTF-8."""
    assert table(file, b"\xef\xbb\xbfsku\ntea\n").headings == ("sku",)


def test_a_row_of_another_length_is_kept_with_an_error(file: Path) -> None:
    """The importer rejects the row, or the order it belongs to."""
    short, long = table(file, "a,b\n1\n1,2,3\n").rows
    assert short.error == "the row has 1 cells, but there are 2 headings"
    assert long.error == "the row has 3 cells, but there are 2 headings"
    assert short.cells == {"a": "1"}


@pytest.mark.parametrize("name", ["rows.ndjson", "rows.jsonl", "rows.txt"])
def test_ndjson_is_detected_by_name_or_content(tmp_path: Path, name: str) -> None:
    """One object a line; its values keep their types."""
    read = table(tmp_path / name, '{"sku":"tea","quantity":5}\n\n{"sku":"mug","price":"1"}\n')
    assert read.is_typed
    assert read.headings == ("sku", "quantity", "price")
    assert [(row.line, row.cells) for row in read.rows] == [
        (1, {"sku": "tea", "quantity": 5}),
        (3, {"sku": "mug", "price": "1"}),
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "rows.csv is empty."),
        (" \r\n \n", "rows.csv is empty."),
        (",,\n", "rows.csv has no headings."),
        ("sep=;\n", "rows.csv has no headings."),
        (
            b"sku\ntea\nm\xfcg\n",
            "rows.csv, line 3: not UTF-8 (byte 0xfc).",
        ),
        ("sku\ufeff\n".encode("utf-16"), "rows.csv, line 1: not UTF-8"),
        ('sku,name\ntea,"Assam\n', "rows.csv, line 2: not valid CSV (unexpected end of data)."),
        ('sku,name\ntea,"As"sam\n', "rows.csv, line 2: not valid CSV"),
        ('{"sku":"tea"}\n{"sku":\n', "rows.csv, line 2: Not valid JSON"),
        ('{"sku":"tea","sku":"mug"}\n', "rows.csv, line 1: The member 'sku' occurs twice"),
        ('{"sku":"tea"}\n["mug"]\n', "rows.csv, line 2: a JSON object is required."),
        ('[{"sku":"tea"}]', "rows.csv holds a JSON array"),
    ],
)
def test_a_file_without_a_table_is_refused(file: Path, content: str | bytes, reason: str) -> None:
    """The message names file, line and reason."""
    assert refusal(file, content).startswith(reason)


def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    """A missing file, and a folder."""
    with pytest.raises(Malformed, match=r"none\.csv cannot be read: No such file"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(Malformed, match="cannot be read: Is a directory"):
        read_table(tmp_path)
