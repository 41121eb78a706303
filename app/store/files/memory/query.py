"""The arguments of View.find and View.count as one value, and what they select."""

from collections.abc import Set
from typing import NamedTuple

from app.store import Collection, Where
from app.store.files.memory.index import AFTER_SEPARATOR, ALL, Term

_MAX_SORT_KEY = "\U0010ffff"
_NO_FILTER = (frozenset({(ALL, ALL)}),)


class Selection(NamedTuple):
    """All index entries with a term of each filter and a sort key >= `start` and < `stop`."""

    filters: tuple[frozenset[Term], ...]
    start: str
    stop: str


class Query(NamedTuple):
    """See View.find."""

    where: Where = None
    low: str = ""
    high: str | None = None
    after: str | None = None
    skip: int = 0
    limit: int | None = None
    descending: bool = False

    def select(self, collection: Collection) -> Selection:
        """The selection in this collection. Raises ValueError for a filter that is not indexed."""
        filters = self._filters(collection) if self.where else _NO_FILTER
        if filters is _NO_FILTER and not collection.listed:
            raise ValueError(
                f"{collection.name} is not listed; it can be read by key or by an index"
            )
        start = self.low
        stop = _MAX_SORT_KEY if self.high is None else self.high + AFTER_SEPARATOR
        if self.after is not None and self.descending:
            stop = min(stop, self.after)
        elif self.after is not None:
            start = max(start, self.after + AFTER_SEPARATOR)
        return Selection(filters, start, stop)

    def _filters(self, collection: Collection) -> tuple[frozenset[Term], ...]:
        where = self.where or {}
        require_indexes(collection, where.keys())
        return tuple(
            frozenset((name, each) for each in value)
            if isinstance(value, frozenset)
            else frozenset({(name, value)})
            for name, value in where.items()
        )


def require_indexes(collection: Collection, names: Set[str]) -> None:
    """Raise ValueError for an index that the collection does not have."""
    if unknown := names - collection.indexes.keys():
        raise ValueError(f"{collection.name} has no index {', '.join(sorted(unknown))}")


EVERYTHING = Query()
"""Selects every document of a listed collection."""
