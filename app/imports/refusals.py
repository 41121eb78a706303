"""What an import refused, and the file that tells of it.

FILE.rejected.csv has the refused rows as they stood in FILE, with the line and the reason in front.
Mended, it can be imported with the same options.
"""

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from app.http.responses.csv_response import escape_formula
from app.imports.tables import Row, Table
from app.kernel.disk import write_new
from app.kernel.errors import Problem
from app.store import Document

OWN_HEADINGS = ("line", "reason")


class Refusal(NamedTuple):
    """A row that was not imported, and why."""

    row: Row
    reason: str


def reason_for(problem: Problem, document: Document) -> str:
    """The problem as a reason, with what was found where it can be shown in short."""
    field = problem.pointer.rpartition("/")[2]
    if not field or field.isdigit():
        return problem.message
    found = document.get(field)
    shown = f" (found {str(found)[:40]!r})" if isinstance(found, str | int | float) else ""
    return f"{field}: {problem.message}{shown}"


def rejected_path(path: Path) -> Path:
    """Where the refused rows of the file `path` go."""
    return path.with_name(f"{path.name}.rejected.csv")


def write_rejected(path: Path, table: Table, refusals: Iterable[Refusal]) -> None:
    """Replace the file of refused rows atomically; with no refusals, remove it. Raises OSError.

    Customers stand in it, so nobody else may read it (mode 0600).
    """
    rejected = rejected_path(path)
    ordered = sorted(refusals, key=lambda refusal: refusal.row.line)
    if not ordered:
        rejected.unlink(missing_ok=True)
        return
    temporary = rejected.with_name(f".{rejected.name}.next")
    write_new(temporary, rejected_text(table, ordered).encode())
    temporary.replace(rejected)


def rejected_text(table: Table, refusals: Iterable[Refusal]) -> str:
    """The refused rows as CSV; formulas of spreadsheets are escaped."""
    kept = [heading for heading in table.headings if heading not in OWN_HEADINGS]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*OWN_HEADINGS, *kept])
    for row, reason in refusals:
        cells = [_cell(row.cells.get(heading)) for heading in kept]
        writer.writerow([row.line, reason, *cells])
    return text.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return escape_formula(value if isinstance(value, str) else orjson.dumps(value).decode())
