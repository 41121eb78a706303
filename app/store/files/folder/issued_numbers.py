"""The numbers and ids that documents have, to check that none is issued twice.

Files that a person edited or copied in are compared with each other, with the files that the store
wrote, and with the counters. Within a series a number belongs to one owner and an owner has one
number, in whichever file they are; and no counter is below a number that was issued.
"""

from collections.abc import Iterator, Mapping

import orjson

from app.store import Collection, Document
from app.store.files.memory.transaction import COUNTERS, ID, LAST_ID
from app.store.files.wal.format import encode_document


class IssuedNumbers:
    """Every number, and the highest id, of the documents added so far."""

    def __init__(self) -> None:
        self._owners: dict[tuple[str, int], str] = {}
        self._numbers: dict[tuple[str, str], int] = {}
        self._highest: dict[str, tuple[int | str, str]] = {}

    def add(self, collection: Collection, document: Document, location: str = "") -> list[str]:
        """Add the numbers of a document found at `location`; returns the contradictions."""
        key, contradictions = document[collection.key], []
        if ID.fullmatch(key):
            self._raise_highest(LAST_ID, key, location)
        for series, owner, number in collection.issued_numbers(document):
            known = self._numbers.setdefault((series, owner), number)
            holder = self._owners.setdefault((series, number), owner)
            if known != number:
                change = f"{series} number {number} was changed: {owner} was given {known}"
                contradictions.append(change)
            elif holder != owner:
                contradictions.append(f"{series} number {number} belongs to {holder} already")
            else:
                self._raise_highest(series, number, location)
        return contradictions

    def low_counters(self, counters: Mapping[str, Document]) -> Iterator[tuple[str, str]]:
        """The counters that would issue a number again, each as (name, reason)."""
        for name, (highest, location) in sorted(self._highest.items()):
            lowest = orjson.dumps({"name": name, "value": highest}).decode()
            remedy = f"it must be {lowest} at the least"
            if name not in counters:
                yield name, f"{name} is missing; {remedy}"
            elif counters[name]["value"] < highest:
                given = f"given out already ({location})" if location else "given out already"
                yield name, f"{name} is below {highest}, which was {given}; {remedy}"

    def counters(self) -> dict[str, bytes]:
        """The lowest valid counters, as stored documents by name."""
        return {
            name: encode_document({COUNTERS.key: name, "value": highest})
            for name, (highest, _) in self._highest.items()
        }

    def _raise_highest(self, name: str, value: int | str, location: str) -> None:
        known = self._highest.get(name)
        if known is None or value > known[0]:  # type: ignore[operator]  # one name, one type
            self._highest[name] = value, location
