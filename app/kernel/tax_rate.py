"""Tax rates: a percentage of the price without tax, as text such as "19" or "5.5"."""

import re
from decimal import Decimal

TAX_RATE_PATTERN = r"^(100(\.0{1,3})?|[0-9]{1,2}(\.[0-9]{1,3})?)$"
"""From 0 to 100, with three decimal places at most."""


def parse_tax_rate(text: str) -> str:
    """The rate without needless zeros: "19.0" becomes "19". Raises ValueError for other text."""
    if not re.fullmatch(TAX_RATE_PATTERN, text):
        raise ValueError("must be a percentage from 0 to 100, with three decimal places at most")
    return f"{Decimal(text).normalize():f}"
