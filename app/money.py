"""Money: exact decimals, written as text with the currency's minor digits (ISO 4217)."""

import re
from dataclasses import dataclass
from decimal import Decimal

_PLAIN = re.compile(r"\d{1,12}(\.\d{1,4})?")
_NO_MINOR_UNIT = frozenset(
    ["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"]
)
_THREE_DIGITS = frozenset(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"])


@dataclass(frozen=True)
class Currency:
    """A currency by its ISO 4217 code."""

    code: str

    @property
    def digits(self) -> int:
        """How many digits stand after the point: 2 for most, 0 for JPY, 3 for KWD."""
        if self.code in _NO_MINOR_UNIT:
            return 0
        return 3 if self.code in _THREE_DIGITS else 2

    def parse(self, text: str) -> Decimal:
        """The amount in `text`. Raises ValueError with a sentence when it is not one."""
        if not _PLAIN.fullmatch(text):
            raise ValueError('must be a decimal in text, such as "4.50", not negative')
        amount = Decimal(text)
        if amount != round(amount, self.digits):
            raise ValueError(f"has more than the {self.digits} decimal places of {self.code}")
        return amount

    def write(self, amount: Decimal) -> str:
        """`amount` with exactly the currency's digits."""
        return f"{amount:.{self.digits}f}"
