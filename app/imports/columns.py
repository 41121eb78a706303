"""Where the fields of a row come from: which heading, and what fills an empty cell."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from app.imports.tables import Row, Table
from app.kernel.errors import Invalid, Problem
from app.store import Document

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

Reader = Callable[[str], Any]
"""Reads the text of a cell. Text that is no such value stays as it is: the schema refuses it."""


def text(cell: str) -> str:
    """The cell as it is."""
    return cell


def whole(cell: str) -> int | str:
    """12, -3 or +4 as an integer."""
    return int(cell) if _WHOLE.fullmatch(cell) else cell


def flag(cell: str) -> bool | str:
    """true, yes, 1, false, no and 0, in any case, as a truth value."""
    return _FLAGS.get(cell.lower(), cell)


_MEANING: dict[Reader, str] = {whole: "a whole number", flag: "true or false"}


class Columns:
    """Reads the rows of one table as documents of the import's own fields."""

    def __init__(
        self,
        table: Table,
        fields: Mapping[str, Reader],
        headings: Mapping[str, str],
        defaults: Mapping[str, str],
    ) -> None:
        """`headings` maps fields to foreign headings, `defaults` fills what is empty or missing.

        Raises Invalid for an unknown field, and for a mapped heading that the file has not got.
        """
        _refuse_unknown(fields, headings, "--column")
        _refuse_unknown(fields, defaults, "--default")
        self._table = table
        self._fields = fields
        self._sources = {field: headings.get(field, field) for field in fields}
        self._defaults = {name: _default(name, fields[name], defaults[name]) for name in defaults}
        self._refuse_absent(headings)
        self._refuse_doubled()

    def read(self, row: Row) -> Document:
        """The fields for which the row, or a default, has a value; text is trimmed."""
        values = {
            name: self._value(name, row.cells.get(source)) for name, source in self._sources.items()
        }
        return {name: value for name, value in values.items() if value is not None}

    def require(self, *fields: str) -> None:
        """Raise Invalid naming all of the fields that have neither a column nor a default."""
        self._refuse_absent(field for field in fields if field not in self._defaults)

    def unused(self) -> list[str]:
        """The headings of the file from which nothing is read."""
        used = {*self._sources.values(), ""}
        return [heading for heading in self._table.headings if heading not in used]

    def _value(self, name: str, cell: Any) -> Any:
        if isinstance(cell, str):
            cell = cell.strip()
        if cell is None or cell == "":
            return self._defaults.get(name)
        return cell if self._table.is_typed else self._fields[name](cell)

    def _refuse_absent(self, fields: Iterable[str]) -> None:
        table = self._table
        absent = [field for field in fields if self._sources[field] not in table.headings]
        if not table.headings or not absent:
            return
        wanted = [
            self._sources[field] + ("" if self._sources[field] == field else f" (for {field})")
            for field in absent
        ]
        raise _invalid(
            f"{table.name} has no column {' and no column '.join(wanted)}; it has "
            f"{_listed(table.headings)}. Name another one with --column {absent[0]}=HEADING, or "
            f"say what counts for all rows with --default {absent[0]}=VALUE."
        )

    def _refuse_doubled(self) -> None:
        for heading in self._sources.values():
            if self._table.headings.count(heading) > 1:
                raise _invalid(f"{self._table.name} has more than one column {heading!r}.")


def _default(name: str, reader: Reader, given: str) -> Any:
    value = reader(given)
    if reader is not text and isinstance(value, str):
        raise _invalid(f"--default: {name} must be {_MEANING[reader]}, not {given!r}.")
    return value


def _refuse_unknown(fields: Mapping[str, Reader], named: Mapping[str, str], option: str) -> None:
    for field in named:
        if field not in fields:
            raise _invalid(f"{option}: {field!r} is not a field; there are {_listed(fields)}.")


def _listed(names: object) -> str:
    return ", ".join(str(name) for name in names if name)  # type: ignore[attr-defined]


def _invalid(message: str) -> Invalid:
    return Invalid([Problem("", message)])
