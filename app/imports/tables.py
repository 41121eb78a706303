"""Reads a table from a file: CSV as spreadsheets write it, or NDJSON.

CSV (RFC 4180): the first row has the headings; the delimiter is the one of comma, semicolon and tab
that occurs most often in it outside of quotes, or that of a line `sep=;` before it. NDJSON: one
JSON object a line; its member names are the headings. Both are UTF-8, with or without a byte order
mark, unless another encoding is named. Empty rows are ignored.

Tables that the shop wrote itself have apostrophes before formulas, which are removed: the export of
orders, and the file of rejected rows.
"""

import csv
import io
import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from app.http.responses.csv_response import unescape_formula
from app.imports.remedies import Remedy, Unclear
from app.inventory.csv_export import PRODUCT_COLUMNS
from app.kernel.errors import Invalid, Malformed
from app.orders.csv_export import HEADINGS as ORDER_COLUMNS
from app.schema import strict_json
from app.system.os_errors import cause_of

DELIMITERS = ",;\t"
_SEPARATOR_LINE = re.compile(r'\A"?sep=([,;\t])"?[ ,;\t]*(?=[\r\n])', re.IGNORECASE)
"""The line with which a spreadsheet names the delimiter."""

REJECTED_HEADINGS = ("line", "reason")
"""The headings before those of the source in the file of rejected rows."""

_QUOTED = re.compile('"[^"]*"?')
NDJSON_SUFFIXES = (".ndjson", ".jsonl")
_ZIP = b"PK\x03\x04"
"""The first bytes of a ZIP archive, which a spreadsheet's own files (.xlsx, .ods) are."""


@dataclass(frozen=True)
class Row:
    """One row: the line it begins on, its cells by heading, and an error in its number of cells."""

    line: int
    cells: dict[str, Any]
    error: str = ""


@dataclass(frozen=True)
class Table:
    """The contents of a file. `name` is the file's name, for messages.

    `is_typed`: the cells are JSON values and used as they are; otherwise they are text to parse.
    `encoding` and `delimiter` are those of the file.
    """

    name: str
    headings: tuple[str, ...]
    rows: list[Row]
    is_typed: bool
    encoding: str = "utf-8"
    delimiter: str = ","


def read_table(path: Path, encoding: str | None = None) -> Table:
    """Read the table in a file, in UTF-8 unless `encoding` names another encoding.

    Raises Malformed with file, line and reason when there is none; Unclear when the encoding is
    another one.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Malformed(f"{path.name} cannot be read: {cause_of(error)}.") from None
    return parse_table(path.name, data, encoding)


def parse_table(name: str, data: bytes, encoding: str | None = None) -> Table:
    """Read the table in the contents of a file. Raises Malformed as read_table does."""
    if data.startswith(_ZIP):
        raise Malformed(f"{name} is a workbook or an archive; save the sheet as CSV.")
    text, encoding = _decode(name, data, encoding)
    if not text.strip():
        raise Malformed(f"{name} is empty.")
    if PurePath(name).suffix.lower() in NDJSON_SUFFIXES or text.lstrip().startswith("{"):
        return _read_ndjson(name, text)
    if text.lstrip().startswith("["):
        raise Malformed(
            f"{name} holds a JSON array; NDJSON has one object a line and no brackets around."
        )
    return _read_csv(name, text, encoding)


def _decode(name: str, data: bytes, encoding: str | None) -> tuple[str, str]:
    """The text, and its encoding: utf-8-sig when it has a byte order mark."""
    if encoding is None:
        encoding = "utf-8-sig" if data.startswith(BOM_UTF8) else "utf-8"
    try:
        return data.decode(encoding), encoding
    except UnicodeError as error:
        start = error.start if isinstance(error, UnicodeDecodeError) else 0
        line, byte = data.count(b"\n", 0, start) + 1, data[start : start + 1].hex()
        called = "UTF-8" if encoding.startswith("utf-8") else encoding
        message = f"{name}, line {line}: not {called} (byte 0x{byte})."
        raise Unclear(message, Remedy.ENCODING) from None


def _read_csv(name: str, text: str, encoding: str) -> Table:
    delimiter = _delimiter(text)
    # removing the line's content, not its end, keeps the count of lines
    lines = _csv_lines(name, _SEPARATOR_LINE.sub("", text, count=1), delimiter)
    _, first = next(lines, (0, None))
    if first is None:
        raise Malformed(f"{name} has no headings.")
    headings = tuple(cell.strip() for cell in first)
    exports = (REJECTED_HEADINGS, ORDER_COLUMNS, PRODUCT_COLUMNS)
    is_own = any(set(own) <= set(headings) for own in exports)
    rows = []
    for line, cells in lines:
        texts = map(unescape_formula, cells) if is_own else cells
        row = dict(zip(headings, texts, strict=False))
        rows.append(Row(line, row, _count_error(headings, cells)))
    return Table(name, headings, rows, False, encoding, delimiter)


def _delimiter(text: str) -> str:
    if named := _SEPARATOR_LINE.match(text):
        return named[1]
    heading = re.split(r"[\r\n]", _QUOTED.sub("", text.lstrip(" \r\n")), maxsplit=1)[0]
    return max(DELIMITERS, key=heading.count)


def _csv_lines(name: str, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield every row that is not empty, with the line it begins on."""
    reader = csv.reader(io.StringIO(text, newline=None), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise Malformed(f"{name}, line {line}: not valid CSV ({error}).") from None
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield line, cells


def _count_error(headings: tuple[str, ...], cells: list[str]) -> str:
    if len(cells) == len(headings):
        return ""
    return f"the row has {len(cells)} cells, but there are {len(headings)} headings"


def _read_ndjson(name: str, text: str) -> Table:
    rows = [
        Row(line, _json_object(f"{name}, line {line}", json))
        for line, json in enumerate(text.split("\n"), 1)
        if json.strip()
    ]
    headings = tuple(dict.fromkeys(heading for row in rows for heading in row.cells))
    return Table(name, headings, rows, is_typed=True)


def _json_object(where: str, json: str) -> dict[str, Any]:
    try:
        value = strict_json.loads(json.encode())
    except (Malformed, Invalid) as error:
        raise Malformed(f"{where}: {str(error).replace('line 1, ', '')}") from None
    if not isinstance(value, dict):
        raise Malformed(f"{where}: a JSON object is required.")
    return value
