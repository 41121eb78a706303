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
from app.imports.remedies import Remedies, Remedy
from app.imports.tables import REJECTED_HEADINGS, Row, Table
from app.kernel.errors import Problem
from app.store import Document
from app.system.disk import write_new


class RejectedRow(NamedTuple):
    """A row that was not imported, the reason, and what the caller could state to import it."""

    row: Row
    reason: str
    remedies: tuple[Remedy, ...] = ()

    @classmethod
    def of_problems(
        cls, row: Row, problems: Iterable[Problem], document: Document
    ) -> "RejectedRow":
        """Return a row with its document's problems, and the values found if they are short."""
        values = [(problem, document.get(_field(problem))) for problem in problems]
        reason = "; ".join(_describe(problem, value) for problem, value in values)
        unreadable = [value.remedy for _, value in values if isinstance(value, Unreadable)]
        return cls(row, reason, tuple(unreadable))

    def in_words(self, offered: Remedies) -> "RejectedRow":
        """Return it with the caller's words for what it offers, at the end of the reason."""
        words = [offered[each] for each in dict.fromkeys(self.remedies) if each in offered]
        return self._replace(reason="; ".join([self.reason, *words]), remedies=())


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
    headings = [heading for heading in table.headings if heading not in REJECTED_HEADINGS]
    text = io.StringIO()
    writer = csv.writer(text, delimiter=table.delimiter, lineterminator="\n")
    writer.writerow([*REJECTED_HEADINGS, *headings])
    for row, reason, _ in rejected:
        cells = [_cell(row.cells.get(heading)) for heading in headings]
        writer.writerow([row.line, reason, *cells])
    return text.getvalue()


def _field(problem: Problem) -> str:
    return problem.pointer.rpartition("/")[2]


def _describe(problem: Problem, value: Any) -> str:
    field = _field(problem)
    if not field or field.isdigit():
        return problem.message
    if isinstance(value, Unreadable):
        return f"{field}: {value.reason} (found {value.text[:40]!r})"
    found = f" (found {str(value)[:40]!r})" if isinstance(value, str | int | float) else ""
    return f"{field}: {problem.message}{found}"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return escape_formula(value if isinstance(value, str) else orjson.dumps(value).decode())
