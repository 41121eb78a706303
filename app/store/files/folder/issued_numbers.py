"""What was given out once must not be given out again: numbers and ids, compared over all files.

Files that a person edited or brought along are compared with each other, with the files that nobody
touched, and with the counters. In a series a number belongs to one thing, and a thing has one
number, in whichever file they stand; and no counter is below what was given out.
"""

import re
from collections import deque
from collections.abc import Iterator, Mapping

import orjson

from app.store import Collection, Document
from app.store.files.memory.transaction import COUNTERS, LAST_ID
from app.store.files.wal.format import encode_document

_ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class IssuedNumbers:
    """Every number and the highest id that some document has."""

    def __init__(self) -> None:
        self._owners: dict[tuple[str, int], str] = {}
        self._numbers: dict[tuple[str, str], int] = {}
        self._highest: dict[str, tuple[int | str, str]] = {}

    def trust(self, collection: Collection, document: Document) -> None:
        """Take in a document that the store wrote itself."""
        deque(self.note(collection, document), maxlen=0)

    def note(self, collection: Collection, document: Document, place: str = "") -> Iterator[str]:
        """Take a document in, which stands at `place`; yields what contradicts what is known."""
        key = document[collection.key]
        if _ID.fullmatch(key):
            self._raise(LAST_ID, key, place)
        for series, owner, number in collection.issued_numbers(document):
            known = self._numbers.setdefault((series, owner), number)
            holder = self._owners.setdefault((series, number), owner)
            if known != number:
                yield f"{series} number {number} was changed: {owner} was given {known}"
            elif holder != owner:
                yield f"{series} number {number} belongs to {holder} already"
            else:
                self._raise(series, number, place)

    def too_low(self, counters: Mapping[str, Document]) -> Iterator[tuple[str, str]]:
        """The counters that would give something out again: (counter, the reason)."""
        for name, (highest, place) in sorted(self._highest.items()):
            least = orjson.dumps({"name": name, "value": highest}).decode()
            if name not in counters:
                yield name, f"{name} is missing; it must be {least} at the least"
            elif counters[name]["value"] < highest:
                where = f" ({place})" if place else ""
                yield (
                    name,
                    f"{name} is below {highest}, which was given out already{where}; it must be "
                    f"{least} at the least",
                )

    def counters(self) -> dict[str, bytes]:
        """The lowest counters that are right, as they are kept."""
        return {
            name: encode_document({COUNTERS.key: name, "value": highest})
            for name, (highest, _) in self._highest.items()
        }

    def _raise(self, name: str, given: int | str, place: str) -> None:
        known = self._highest.get(name)
        if known is None or given > known[0]:  # type: ignore[operator]  # of one kind by its name
            self._highest[name] = given, place
