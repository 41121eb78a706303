"""The tax that an order's prices include, against a second computation with fractions."""

from decimal import Decimal
from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.billing.tax import IncludedTax, included_taxes
from app.kernel.money import Currency
from app.kernel.tax_rate import parse_tax_rate
from app.store import Document

RATES = st.one_of(
    st.sampled_from(["0", "5.5", "7", "8.875", "19", "25.5", "100"]),
    st.integers(0, 100_000).map(lambda n: parse_tax_rate(f"{Decimal(n) / 1000:.3f}")),
    st.none(),
)
CURRENCIES = st.sampled_from(["EUR", "JPY", "KWD"])
TOTALS = st.one_of(st.integers(0, 100_000), st.integers(0, 10**18))
"""In minor units; the largest order has about 10**24 of them."""


def order(code: str, lines: list[tuple[str | None, int]]) -> Document:
    """An order with lines of these rates and totals, the latter in minor units."""
    currency = Currency(code)
    return {
        "currency": code,
        "items": [
            {"line_total": currency.format(Decimal(total).scaleb(-currency.digits))}
            | ({"tax_rate": rate} if rate is not None else {})
            for rate, total in lines
        ],
    }


@given(code=CURRENCIES, lines=st.lists(st.tuples(RATES, TOTALS), max_size=12))
def test_the_tax_is_exact_to_the_minor_unit(code: str, lines: list[tuple[str | None, int]]) -> None:
    """By rate, of the sum of its lines, rounded half up once."""
    unit = Fraction(1, 10 ** Currency(code).digits)
    expected = {}
    for rate in {rate for rate, _ in lines if rate is not None}:
        gross = sum(total for each, total in lines if each == rate)
        tax = gross * Fraction(rate) / (100 + Fraction(rate))
        expected[rate] = (gross * unit, floor(tax + Fraction(1, 2)) * unit)
    found = included_taxes(order(code, lines))
    assert {each.rate: (Fraction(each.gross), Fraction(each.tax)) for each in found} == expected
    assert [each.rate for each in found] == sorted(expected, key=Fraction, reverse=True)


@pytest.mark.parametrize(
    ("code", "lines", "taxes"),
    [
        ("EUR", [("19", 11900)], [("19", "119.00", "19.00")]),
        ("EUR", [("19", 999), ("7", 450)], [("19", "9.99", "1.60"), ("7", "4.50", "0.29")]),
        ("EUR", [("100", 1)], [("100", "0.01", "0.01")]),
        ("EUR", [("10", 1), ("10", 1), ("10", 4)], [("10", "0.06", "0.01")]),
        ("EUR", [("0", 500), (None, 700)], [("0", "5.00", "0.00")]),
        ("JPY", [("10", 108)], [("10", "108", "10")]),
        ("KWD", [("5", 1050)], [("5", "1.050", "0.050")]),
        ("EUR", [(None, 700)], []),
    ],
)
def test_examples(
    code: str, lines: list[tuple[str | None, int]], taxes: list[tuple[str, str, str]]
) -> None:
    """Half a cent is rounded up; three lines of a rate are rounded once, not each."""
    assert included_taxes(order(code, lines)) == [IncludedTax(*each) for each in taxes]


def test_a_tax_of_the_largest_order_is_exact() -> None:
    """A sum has up to 24 digits, and its product with a rate more than a Decimal computes with."""
    total = 1_999_999_999_999_980_000_000_00
    [found] = included_taxes(order("EUR", [("8.875", total)]))
    expected = floor(Fraction(total) * Fraction("8.875") / Fraction("108.875") + Fraction(1, 2))
    assert found.tax == f"{expected // 100}.{expected % 100:02}"
