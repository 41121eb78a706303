"""Formats that the person who imports can give, where an import cannot read them in the file.

The sentences of an import name what is wrong in words for every caller. A caller adds how it is
told: the command by its options, the page by its fields.
"""

from collections.abc import Mapping
from enum import Enum, auto

from app.kernel.errors import Malformed


class Remedy(Enum):
    """A format that is to be given."""

    ENCODING = auto()
    SIGNS = auto()
    """The decimal sign of amounts, and the sign between thousands."""
    DATE_FORMAT = auto()
    COLUMN = auto()
    """The heading of a field, or its value in all rows."""
    HISTORY = auto()
    """That the orders have ended."""


Remedies = Mapping[Remedy, str]
"""A caller's words for what it offers, such as "choose the encoding below"."""


class Unclear(Malformed):
    """The file can only be read when the caller states more; `field` is what it is about."""

    def __init__(self, message: str, remedy: Remedy, field: str = "") -> None:
        super().__init__(message)
        self.remedy, self.field = remedy, field

    def in_words(self, offered: Remedies) -> str:
        """Return the message with the caller's words, in which `{field}` stands for the field."""
        words = offered.get(self.remedy, "").format(field=self.field)
        return f"{str(self).removesuffix('.')}; {words}." if words else str(self)
