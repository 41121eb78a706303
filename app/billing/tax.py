"""The tax that the prices of an order include, by rate.

tax = gross × rate / (100 + rate), where gross is the sum of the lines with this rate. It is rounded
once, on that sum, half up to the currency's minor unit; no line is rounded by itself.
"""

from collections import defaultdict
from decimal import Decimal
from typing import NamedTuple

from app.kernel.money import Currency
from app.store import Document

_RATE_UNITS = 1000
"""A percent in the unit of a rate's third decimal place."""


class IncludedTax(NamedTuple):
    """The tax of one rate: `tax` is in `gross`, the sum of the lines with the rate."""

    rate: str
    gross: str
    tax: str


def included_taxes(order: Document) -> list[IncludedTax]:
    """The tax in the order's lines, the highest rate first; lines without a rate state none."""
    currency = Currency(order["currency"])
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for line in order["items"]:
        if "tax_rate" in line:
            sums[line["tax_rate"]] += Decimal(line["line_total"])
    return [
        IncludedTax(rate, currency.format(gross), currency.format(_tax(currency, gross, rate)))
        for rate, gross in sorted(sums.items(), key=lambda each: Decimal(each[0]), reverse=True)
    ]


def _tax(currency: Currency, gross: Decimal, rate: str) -> Decimal:
    """Exact in integers: a Decimal's 28 digits are too few for the product of a long sum."""
    minor_units = int(gross.scaleb(currency.digits))
    percent = int(Decimal(rate) * _RATE_UNITS)
    divisor = 100 * _RATE_UNITS + percent
    return Decimal((2 * minor_units * percent + divisor) // (2 * divisor)).scaleb(-currency.digits)
