"""Numbers as pages show them: the template filters `money` and `number`.

They are for people to read. Form fields, CSV and the API have plain numbers, which can be typed and
parsed.
"""

from decimal import Decimal


def format_money(amount: str) -> str:
    """Return an amount with its thousands separated: "494390.25" becomes "494,390.25"."""
    return f"{Decimal(amount):,f}"


def format_number(number: int) -> str:
    """Return a whole number with its thousands separated: 20000 becomes "20,000"."""
    return f"{number:,}"
