"""Amounts and dates of European spreadsheets are read where they are certain, else refused."""

from typing import Any

import pytest

from app.imports.formats import Amounts, Dates, Formats, Unreadable
from app.imports.remedies import Remedy, Unclear


def amounts(*cells: str, digits: int = 2, **options: Any) -> Amounts:
    return Formats(**options, currency_digits=digits).amounts("price", enumerate(cells, 2))


def dates(*cells: str, **options: Any) -> Dates:
    return Formats(**options).dates("date", enumerate(cells, 2))


def read(column: Amounts | Dates, *cells: str) -> list[str | None]:
    """The cells as read; None for those that are refused."""
    values = [column.read(cell) for cell in cells]
    return [None if isinstance(value, Unreadable) else value for value in values]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["12,50", "3", "0,5"], ["12.50", "3", "0.5"]),
        (["1.234,00", "2.000", "7,1"], ["1234.00", "2000", "7.1"]),
        (["1,234.00", "2,000", "7.1"], ["1234.00", "2000", "7.1"]),
        (["1.234.567", "4,50"], ["1234567", "4.50"]),
        (["1 234,50", "1 000"], ["1234.50", "1000"]),
        (["1\u202f234,50", "4,5"], ["1234.50", "4.5"]),
        (["1'234.50", "4.5"], ["1234.50", "4.5"]),
        (["4.50", "-1", "+2.5", "1.0000"], ["4.50", "-1", "+2.5", "1.0000"]),
        (["free", "", "12,50"], ["free", "", "12.50"]),
        (["12,50 €"], ["12,50 €"]),
    ],
)
def test_amounts_are_read_by_the_signs_of_their_column(
    cells: list[str], expected: list[str]
) -> None:
    """One cell that is beyond doubt decides for all; other text is for the schema to refuse."""
    assert read(amounts(*cells), *cells) == expected


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ([], "1.000"),
        ([], "12.500"),
        ([], "1,000"),
        (["4.50"], "1.000"),
        (["4,50"], "12,500"),
        (["4.50"], "1,000"),
        (["4,50"], "1.000"),
    ],
)
def test_an_amount_that_can_be_read_in_two_ways_is_refused(column: list[str], cell: str) -> None:
    """1.000 may be one or a thousand, and nobody notices which it became."""
    assert read(amounts(*column, cell), cell) == [None]


@pytest.mark.parametrize(
    ("options", "cell", "expected"),
    [
        ({"decimal": "."}, "1.000", "1.000"),
        ({"thousands": "."}, "1.000", "1000"),
        ({"thousands": ","}, "1,000", "1000"),
        ({"decimal": ",", "thousands": "."}, "1.234,5", "1234.5"),
        ({"decimal": ","}, "1.234,50", "1234.50"),
        ({"thousands": "."}, "4.50", None),
        ({"decimal": ","}, "4.50", None),
    ],
)
def test_options_decide(options: dict[str, Any], cell: str, expected: str | None) -> None:
    """A cell that is written in another way is refused."""
    assert read(amounts(cell, **options), cell) == [expected]


def test_three_decimals_are_usual_in_some_currencies() -> None:
    """The dinar of Kuwait has 1000 fils."""
    assert read(amounts("1,250", digits=3), "1,250") == ["1.250"]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1.12.2010", "31.1.2011 08:26"], ["2010-12-01 00:00:00", "2011-01-31 08:26:00"]),
        (["01/12/2010 08:26", "13/12/2010"], ["2010-12-01 08:26:00", "2010-12-13 00:00:00"]),
        (["12/01/2010", "12/13/2010 8:05:09"], ["2010-12-01 00:00:00", "2010-12-13 08:05:09"]),
        (["01-12-2010", "31-12-2010"], ["2010-12-01 00:00:00", "2010-12-31 00:00:00"]),
        (["2010-12-01T08:26:00Z", "soon"], ["2010-12-01T08:26:00Z", "soon"]),
        (["01/12/2010 08:26"], [None]),
        (["31.2.2010", "1.2.2010"], [None, "2010-02-01 00:00:00"]),
        (["13/12/2010", "13/13/2010"], ["2010-12-13 00:00:00", None]),
    ],
)
def test_dates_are_read_by_the_order_of_their_column(
    cells: list[str], expected: list[str | None]
) -> None:
    """A day over 12 shows where days stand; with dots they stand first; otherwise it is unknown."""
    assert read(dates(*cells), *cells) == expected


def test_a_date_format_decides_alone() -> None:
    """Each date of another form is refused."""
    column = dates("01/12/2010", date_format="%m/%d/%Y")
    assert read(column, "01/12/2010", "2010-12-01") == ["2010-01-12 00:00:00", None]


@pytest.mark.parametrize("cells", [("12,50", "12.50"), ("1.234,00", "1,234.00")])
def test_amounts_that_contradict_each_other_are_refused(cells: tuple[str, str]) -> None:
    """No row is imported; the message has both lines."""
    with pytest.raises(
        Unclear, match=rf"line 2 \({cells[0]}\) and line 3 \({cells[1]}\)"
    ) as refused:
        amounts(*cells)
    assert refused.value.remedy is Remedy.SIGNS


def test_dates_that_contradict_each_other_are_refused() -> None:
    """No row is imported; the message has both lines."""
    with pytest.raises(
        Unclear, match=r"differs between line 2 \(13/12.*line 3 \(12/13/2010\)"
    ) as refused:
        dates("13/12/2010", "12/13/2010")
    assert refused.value.remedy is Remedy.DATE_FORMAT


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        (["3", "12,50"], "price is read with the decimal sign ',', as in line 3 (12,50)."),
        (["1 234,50"], "price is read with the decimal sign ',' and ' ' between thousands, as in "),
        (["1,234.50"], "price is read with the decimal sign '.' and ',' between thousands, as in "),
    ],
)
def test_a_detected_format_is_announced(cells: list[str], sentence: str) -> None:
    """It names the line that shows it."""
    formats = Formats()
    formats.amounts("price", enumerate(cells, 2))
    formats.dates("date", [(4, "1.12.2010")])
    assert formats.found[0].startswith(sentence)
    assert formats.found[1] == "date is read as day, month, year, as in line 4 (1.12.2010)."


def test_the_usual_format_is_not_announced() -> None:
    """A decimal point and ISO 8601."""
    formats = Formats()
    formats.amounts("price", [(2, "4.50")])
    formats.dates("date", [(2, "2010-12-01")])
    assert formats.found == []
