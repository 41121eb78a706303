"""Maps the columns of a table to the fields of an import, with defaults for empty cells."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from app.imports.formats import Formats, Unreadable
from app.imports.remedies import Remedy, Unclear
from app.imports.tables import Row, Table
from app.kernel.errors import Invalid, Problem
from app.store import Document

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_HEADINGS_MAX_CHARS = 500
"""The length of a file's headings in a message."""

_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

Reader = Callable[[str], Any]
"""Parses a cell's text. Text that is no such value stays text, for the schema to refuse."""


def integer(cell: str) -> int | str:
    """Parse 12, -3 or +4."""
    return int(cell) if _INTEGER.fullmatch(cell) else cell


def boolean(cell: str) -> bool | str:
    """Parse true, yes, 1, false, no or 0, in any case."""
    return _BOOLEANS.get(cell.lower(), cell)


def amount(cell: str) -> str:
    """Mark a field of amounts; Columns reads it in the column's format (formats.Amounts)."""
    return cell


def moment(cell: str) -> str:
    """Mark a field of dates or times; Columns reads it in the column's format (formats.Dates)."""
    return cell


_MEANING: dict[Reader, str] = {integer: "a whole number", boolean: "true or false"}


class Columns:
    """Reads the rows of one table as documents with the import's fields."""

    def __init__(
        self,
        table: Table,
        fields: Mapping[str, Reader],
        headings: Mapping[str, str],
        defaults: Mapping[str, str],
        formats: Formats | None = None,
    ) -> None:
        """`headings` maps fields to the file's headings; `defaults` fill empty or missing cells.

        Raises Invalid for an unknown field and for a heading that the file has twice, Unclear for a
        heading that the file lacks and for a column whose format differs between its cells.
        """
        for field in (*headings, *defaults):
            if field not in fields:
                raise _invalid(f"{field!r} is not a field; there are {_join(fields)}.")
        self._table = table
        self._sources = {field: headings.get(field, field) for field in fields}
        fields = self._with_formats(fields, formats or Formats())
        self._fields = fields
        self._defaults = {name: _default(name, fields[name], defaults[name]) for name in defaults}
        self._require_columns(headings)
        for heading in self._sources.values():
            if table.headings.count(heading) > 1:
                raise _invalid(f"{table.name} has more than one column {heading!r}.")

    def read(self, row: Row) -> Document:
        """Return the fields for which the row, or a default, has a value; text is trimmed."""
        return self._defaults | self.cells(row)

    def cells(self, row: Row) -> Document:
        """Return the fields for which the row itself has a value; text is trimmed."""
        values = {
            name: self._value(name, row.cells.get(source)) for name, source in self._sources.items()
        }
        return {name: value for name, value in values.items() if value is not None}

    def require(self, *fields: str) -> None:
        """Raise Unclear naming all of the fields that have neither a column nor a default."""
        self._require_columns(field for field in fields if field not in self._defaults)

    def unused(self) -> list[str]:
        """Return the headings of the file from which nothing is read."""
        used = {*self._sources.values(), ""}
        return [heading for heading in self._table.headings if heading not in used]

    def _with_formats(self, fields: Mapping[str, Reader], formats: Formats) -> Mapping[str, Reader]:
        """Return the readers of all fields, those of amounts and dates in the column's format."""
        readers = dict(fields)
        for name, reader in fields.items():
            if reader is amount:
                readers[name] = formats.amounts(self._sources[name], self._texts(name)).read
            if reader is moment:
                readers[name] = formats.dates(self._sources[name], self._texts(name)).read
        return readers

    def _texts(self, name: str) -> list[tuple[int, str]]:
        """Return the cells of a column of text that are not empty, with their lines."""
        if self._table.is_typed:
            return []
        cells = ((row.line, row.cells.get(self._sources[name])) for row in self._table.rows)
        return [(line, cell.strip()) for line, cell in cells if cell and cell.strip()]

    def _value(self, name: str, cell: Any) -> Any:
        if isinstance(cell, str):
            cell = cell.strip()
        if cell is None or cell == "":
            return None
        return cell if self._table.is_typed else self._fields[name](cell)

    def _require_columns(self, fields: Iterable[str]) -> None:
        table = self._table
        missing = [field for field in fields if self._sources[field] not in table.headings]
        if not table.headings or not missing:
            return
        columns = [
            self._sources[field] + ("" if self._sources[field] == field else f" (for {field})")
            for field in missing
        ]
        found = _join(table.headings)[:_HEADINGS_MAX_CHARS]
        raise Unclear(
            f"{table.name} has no column {' and no column '.join(columns)}; it has {found}.",
            Remedy.COLUMN,
            missing[0],
        )


def _default(name: str, reader: Reader, text: str) -> Any:
    value = reader(text)
    if isinstance(value, Unreadable):
        raise Unclear(f"The default of {name}, {text!r}, {value.reason}.", value.remedy)
    if reader in _MEANING and isinstance(value, str):
        raise _invalid(f"The default of {name} must be {_MEANING[reader]}, not {text!r}.")
    return value


def _join(names: Iterable[str]) -> str:
    return ", ".join(name for name in names if name)


def _invalid(message: str) -> Invalid:
    return Invalid([Problem("", message)])
