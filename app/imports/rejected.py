"""The file of the rows that an import rejected, FILE.rejected.txt.

It has the rows as they are in FILE, preceded by their line number and the reason, with FILE's
delimiter and encoding. Once corrected, it can be imported with the same options. Its name is no
*.csv, so that an import of all such files does not take it up by itself.
"""

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from app.http.responses.csv_response import escape_formula
from app.imports.formats import Unreadable
from app.imports.tables import Row, Table
from app.kernel.disk import write_new
from app.kernel.errors import Problem
from app.store import Document

OWN_HEADINGS = ("line", "reason")


class RejectedRow(NamedTuple):
    """A row that was not imported, and the reason."""

    row: Row
    reason: str


def reason_for(problems: Iterable[Problem], document: Document) -> str:
    """Return the problems of a document as one reason, with the values found if they are short."""
    return "; ".join(_describe(problem, document) for problem in problems)


def contradiction(row: Row, value: Any) -> str:
    """Return the reason that a value contradicts another one, of an earlier row."""
    return f"contradicts line {row.line}, {str(value)[:40]!r}"


def rejected_path(path: Path) -> Path:
    """Return the path of the file for the rejected rows of the file `path`."""
    return path.with_name(f"{path.name}.rejected.txt")


def write_rejected(path: Path, table: Table, rejected: Iterable[RejectedRow]) -> None:
    """Replace the file of rejected rows atomically; without rows, remove it. Raises OSError.

    It has customers' data, so only its owner may read it (mode 0600).
    """
    target = rejected_path(path)
    by_line = sorted(rejected, key=lambda each: each.row.line)
    if not by_line:
        target.unlink(missing_ok=True)
        return
    temporary = target.with_name(f".{target.name}.next")
    temporary.unlink(missing_ok=True)
    # what the encoding lacks can only be in a reason
    text = rejected_text(table, by_line).encode(table.encoding, "backslashreplace")
    write_new(temporary, text)
    temporary.replace(target)


def rejected_text(table: Table, rejected: Iterable[RejectedRow]) -> str:
    """Return the rejected rows as CSV; formulas are escaped, so that no spreadsheet runs them."""
    headings = [heading for heading in table.headings if heading not in OWN_HEADINGS]
    text = io.StringIO()
    writer = csv.writer(text, delimiter=table.delimiter, lineterminator="\n")
    writer.writerow([*OWN_HEADINGS, *headings])
    for row, reason in rejected:
        cells = [_cell(row.cells.get(heading)) for heading in headings]
        writer.writerow([row.line, reason, *cells])
    return text.getvalue()


def _describe(problem: Problem, document: Document) -> str:
    field = problem.pointer.rpartition("/")[2]
    if not field or field.isdigit():
        return problem.message
    value = document.get(field)
    if isinstance(value, Unreadable):
        return f"{field}: {value.reason} (found {value.text[:40]!r})"
    found = f" (found {str(value)[:40]!r})" if isinstance(value, str | int | float) else ""
    return f"{field}: {problem.message}{found}"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return escape_formula(value if isinstance(value, str) else orjson.dumps(value).decode())
