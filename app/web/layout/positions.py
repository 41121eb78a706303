"""Pages of a list by position, such as "51–100 of 320"; beside cursors, which have none."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar
from urllib.parse import urlencode

PAGE_SIZE = 50
_MAX_DIGITS = 6

_Entry = TypeVar("_Entry")


def parse_page(text: str) -> int:
    """Return the number of a page in an address; the first one for whatever is no number."""
    is_number = text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS
    return max(int(text), 1) if is_number else 1


class Position(NamedTuple):
    """One page of a list of `total` entries, `size` a page; pages and entries count from 1."""

    page: int = 1
    total: int = 0
    size: int = PAGE_SIZE

    @classmethod
    def of_page(cls, page: int, total: int, size: int = PAGE_SIZE) -> "Position":
        """Return the position of a page, or of the last one when there are fewer."""
        return cls(min(page, max(-(-total // size), 1)), total, size)

    @classmethod
    def of_list(cls, entries: Sequence[object], typed: str, size: int = PAGE_SIZE) -> "Position":
        """Return the position, in these entries, of the page that an address or a form names."""
        return cls.of_page(parse_page(typed), len(entries), size)

    @property
    def first(self) -> int:
        """The first entry of the page."""
        return (self.page - 1) * self.size + 1

    @property
    def last(self) -> int:
        """The last entry of the page; one less than `first` in an empty list."""
        return min(self.page * self.size, self.total)

    @property
    def is_last(self) -> bool:
        """Whether no entry comes after this page."""
        return self.last == self.total

    @property
    def is_all(self) -> bool:
        """Whether the page has every entry."""
        return self.total <= self.size

    def cut(self, entries: Sequence[_Entry]) -> Sequence[_Entry]:
        """Return the entries of this page, out of all."""
        return entries[self.first - 1 : self.last]


def query(fields: Mapping[str, object], **changes: object) -> str:
    """Return the query of a list's address: its fields with some changed, without empty ones."""
    return urlencode({name: value for name, value in {**fields, **changes}.items() if value})
