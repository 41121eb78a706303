"""Money: exact decimals, as text with the currency's minor digits (ISO 4217)."""

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

import iso4217

_PLAIN = re.compile(r"([0-9]+)(\.[0-9]+)?")
_MAX_DIGITS = 12
_MAX_DECIMAL_PLACES = 3


@dataclass(frozen=True)
class Currency:
    """A currency for prices, by its ISO 4217 code.

    Raises ValueError for other codes, and for those of metals, tests and units of account.
    """

    code: str

    def __post_init__(self) -> None:
        if self.code not in _MINOR_DIGITS:
            raise ValueError("must be the code of a currency (ISO 4217), such as EUR")

    @cached_property
    def digits(self) -> int:
        """The number of decimal places: 2 for most currencies, 0 for JPY, 3 for KWD."""
        return _MINOR_DIGITS[self.code]

    @cached_property
    def pattern(self) -> str:
        """The regular expression of an amount in this currency; further zeros may follow."""
        if not self.digits:
            return r"[0-9]{1,12}(\.0{1,4})?"
        return rf"[0-9]{{1,12}}(\.[0-9]{{1,{self.digits}}}0{{0,{4 - self.digits}}})?"

    def parse(self, text: str) -> Decimal:
        """The amount in `text`. Raises ValueError, with a sentence, for other text."""
        if re.fullmatch(self.pattern, text):
            return Decimal(text)
        if plain := _PLAIN.fullmatch(text):
            if len(plain[1]) > _MAX_DIGITS:
                raise ValueError(f"has more than {_MAX_DIGITS} digits before the point")
            raise ValueError(f"has more than the {self.digits} decimal places of {self.code}")
        example = self.format(Decimal("4.5"))
        raise ValueError(f"must be a decimal number such as {example}, not negative")

    def format(self, amount: Decimal) -> str:
        """`amount` with exactly the currency's decimal places."""
        return f"{amount:.{self.digits}f}"


_MINOR_DIGITS = {
    each.code: each.exponent
    for each in iso4217.Currency
    if each.exponent is not None and each.exponent <= _MAX_DECIMAL_PLACES
}
