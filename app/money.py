"""Money: exact decimals, written as text with the currency's minor digits (ISO 4217)."""

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

_PLAIN = re.compile(r"[0-9]{1,12}(\.[0-9]{1,4})?")
_NO_MINOR_UNIT = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE_DIGITS = "BHD IQD JOD KWD LYD OMR TND"


@dataclass(frozen=True)
class Currency:
    """A currency by its ISO 4217 code."""

    code: str

    @cached_property
    def digits(self) -> int:
        """How many digits stand after the point: 2 for most, 0 for JPY, 3 for KWD."""
        if self.code in _NO_MINOR_UNIT:
            return 0
        return 3 if self.code in _THREE_DIGITS else 2

    @cached_property
    def pattern(self) -> str:
        """The regular expression of an amount in this currency; zeros may follow its digits."""
        if not self.digits:
            return r"[0-9]{1,12}(\.0{1,4})?"
        return rf"[0-9]{{1,12}}(\.[0-9]{{1,{self.digits}}}0{{0,{4 - self.digits}}})?"

    def parse(self, text: str) -> Decimal:
        """The amount in `text`. Raises ValueError with a sentence when it is not one."""
        if re.fullmatch(self.pattern, text):
            return Decimal(text)
        if _PLAIN.fullmatch(text):
            raise ValueError(f"has more than the {self.digits} decimal places of {self.code}")
        raise ValueError('must be a decimal in text, such as "4.50", not negative')

    def write(self, amount: Decimal) -> str:
        """`amount` with exactly the currency's digits."""
        return f"{amount:.{self.digits}f}"
