"""Formats of the amounts and dates in a table: stated by the caller, or detected from its cells.

An amount with one separator and three digits after it (1.000) and a date of two small numbers
(1/12/2010) can be read in two ways. They are refused, unless the caller or another cell of the
column decides.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from app.imports.remedies import Remedy, Unclear
from app.kernel.errors import Invalid, Problem

Cells = Iterable[tuple[int, str]]
"""The cells of a column that are not empty, each with its line."""

GROUP_SEPARATORS = (".", ",", "'", " ", "\u00a0", "\u202f")
"""The signs between thousands; the last two are the no-break spaces that spreadsheets write."""

_ONE_SEPARATOR = re.compile(r"[+-]?[0-9]+([.,])([0-9]+)")
_GROUPED = re.compile(
    rf"[+-]?[0-9]{{1,3}}([{''.join(GROUP_SEPARATORS)}])[0-9]{{3}}(?:\1[0-9]{{3}})*"
    r"(?:(?!\1)([.,])[0-9]+)?"
)
_OTHER_SIGN = {".": ",", ",": "."}

_DATE = re.compile(
    r"([0-9]{1,2})([./-])([0-9]{1,2})\2([0-9]{4})"
    r"(?:[ T]+([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?)?"
)
_MAX_MONTH = 12
_DAY_FIRST, _MONTH_FIRST = "day, month, year", "month, day, year"


@dataclass(frozen=True)
class Unreadable:
    """A cell that the column's format cannot read. It is no text, so every schema refuses it."""

    text: str
    reason: str
    remedy: Remedy

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Amounts:
    """The signs in a column's amounts. A third decimal is refused unless `is_certain`."""

    decimal: str
    thousands: str
    is_certain: bool

    def read(self, cell: str) -> str | Unreadable:
        """An amount with a decimal point and no groups; text that is no amount stays as it is."""
        group, point = re.escape(self.thousands), re.escape(self.decimal)
        groups = rf"[0-9]{{1,3}}(?:{group}[0-9]{{3}})+|" if group else ""
        amount = re.fullmatch(rf"([+-]?(?:{groups}[0-9]+))(?:{point}([0-9]+))?", cell)
        if amount is None:
            is_amount = _ONE_SEPARATOR.fullmatch(cell) or _GROUPED.fullmatch(cell)
            reason = f"is not written with {self}"
            return Unreadable(cell, reason, Remedy.SIGNS) if is_amount else cell
        whole, digits = amount[1].replace(self.thousands, ""), amount[2]
        if digits and len(digits) == 3 and not self.is_certain:
            return Unreadable(cell, "has three decimals or means thousands", Remedy.SIGNS)
        return f"{whole}.{digits}" if digits else whole

    def __str__(self) -> str:
        groups = f" and {self.thousands!r} between thousands" if self.thousands else ""
        return f"the decimal sign {self.decimal!r}{groups}"


@dataclass(frozen=True)
class Dates:
    """The form of a column's dates: `pattern` of strptime, else ISO 8601 or `order`."""

    pattern: str = ""
    order: str = ""

    def read(self, cell: str) -> str | Unreadable:
        """A date or time as ISO 8601; text that is no date stays as it is."""
        try:
            if self.pattern:
                # the shop's zone is added by the import, unless the cell has one
                return datetime.strptime(cell, self.pattern).isoformat(" ")  # noqa: DTZ007
            return self._read_numbers(cell)
        except ValueError:
            form = self.pattern or self.order or _DAY_FIRST
            return Unreadable(cell, f"is no date written as {form}", Remedy.DATE_FORMAT)

    def _read_numbers(self, cell: str) -> str | Unreadable:
        date = _DATE.fullmatch(cell)
        if date is None:
            return cell
        if not self.order and date[2] != ".":
            return Unreadable(cell, "may begin with day or month", Remedy.DATE_FORMAT)
        day, month = int(date[1]), int(date[3])
        if self.order == _MONTH_FIRST and date[2] != ".":
            day, month = month, day
        hour, minute, second = (int(part or 0) for part in date.group(5, 6, 7))
        year = int(date[4])
        return datetime(year, month, day, hour, minute, second).isoformat(" ")  # noqa: DTZ001


@dataclass(frozen=True)
class Formats:
    """The formats of amounts and dates that the caller gives; None where the cells decide."""

    decimal: str | None = None
    thousands: str | None = None
    date_format: str | None = None
    currency_digits: int = 2
    found: list[str] = field(default_factory=list)
    """A sentence for each detected format that is not the default (decimal point, ISO 8601)."""

    def __post_init__(self) -> None:
        """Raise Invalid when one sign has two meanings."""
        if self.decimal and self.decimal == self.thousands:
            message = "The decimal sign and the sign between thousands must be different signs."
            raise Invalid([Problem("", message)])

    def amounts(self, heading: str, cells: Cells) -> Amounts:
        """The signs in a column's amounts. Raises Unclear when its cells contradict each other."""
        decimals, groups = dict[str, str](), dict[str, str]()
        for line, cell in cells:
            for sign, signs in zip(self._signs(cell), (decimals, groups), strict=True):
                signs.setdefault(sign, f"line {line} ({cell[:40]})")
        if self.decimal:
            groups.pop(self.decimal, None)
        thousands = self.thousands or _only(
            groups, f"{heading}: the sign of thousands", Remedy.SIGNS
        )
        decimal = self.decimal or _OTHER_SIGN.get(thousands)
        decimal = decimal or _only(decimals, f"{heading}: the decimal sign", Remedy.SIGNS)
        decimal = decimal or "."
        is_certain = self.decimal is not None or self.currency_digits == 3
        amounts = Amounts(decimal, thousands, is_certain)
        evidence = groups.get(thousands) if thousands else decimals.get(decimal)
        if evidence and (thousands or decimal != ".") and not (self.decimal and self.thousands):
            self.found.append(f"{heading} is read with {amounts}, as in {evidence}.")
        return amounts

    def dates(self, heading: str, cells: Cells) -> Dates:
        """The form of a column's dates. Raises Unclear when its cells contradict each other."""
        if self.date_format:
            return Dates(pattern=self.date_format)
        orders, dotted = dict[str, str](), ""
        for line, cell in cells:
            if (date := _DATE.fullmatch(cell)) is None:
                continue
            place = f"line {line} ({cell[:40]})"
            if date[2] == ".":
                dotted = dotted or place
            elif int(date[1]) > _MAX_MONTH:
                orders.setdefault(_DAY_FIRST, place)
            elif int(date[3]) > _MAX_MONTH:
                orders.setdefault(_MONTH_FIRST, place)
        order = _only(orders, f"{heading}: the order of day and month", Remedy.DATE_FORMAT)
        if evidence := orders.get(order, dotted):
            self.found.append(f"{heading} is read as {order or _DAY_FIRST}, as in {evidence}.")
        return Dates(order=order)

    def _signs(self, cell: str) -> tuple[str, str]:
        """The decimal sign and the sign of thousands that a cell shows beyond doubt, or ""."""
        if amount := _ONE_SEPARATOR.fullmatch(cell):
            is_certain = len(amount[2]) != 3 or self.currency_digits == 3
            return (amount[1] if is_certain else ""), ""
        grouped = _GROUPED.fullmatch(cell)
        return (grouped[2] or "", grouped[1]) if grouped else ("", "")


def _only(found: dict[str, str], subject: str, remedy: Remedy) -> str:
    """The only sign or order found, or "". Raises Unclear when there are two."""
    places = {sign: place for sign, place in found.items() if sign}
    if len(places) > 1:
        lines = " and ".join(places.values())
        raise Unclear(f"{subject} differs between {lines}.", remedy)
    return next(iter(places), "")
