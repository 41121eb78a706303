"""Reads the journal on a tape without the store: the documents after each transaction.

After a crash the store must hold exactly the documents after some transaction: the last one that
was acknowledged, or a later one that had been written.
"""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson

from app.store import Document
from tests.durability.disk import ACKNOWLEDGED, WRITE, Entry

GONE = -1
Documents = dict[str, dict[str, Document]]


class Fact(NamedTuple):
    """An acknowledgement: this document exists in this version or a later one, or is GONE."""

    collection: str
    key: str
    version: int = 0


class Story:
    """The documents after each transaction, and the transaction of each acknowledged fact."""

    def __init__(self, tape: Sequence[Entry], keys: dict[str, str]) -> None:
        """`keys` names the key field of each collection."""
        self._keys = keys
        self._documents: Documents = {name: {} for name in keys}
        self._since: dict[Fact, int] = {}
        self._digests: dict[int, bytes] = {0: digest(self._documents)}
        facts = [entry.data for entry in tape if entry.call == ACKNOWLEDGED]
        for line in _transactions(tape):
            self._apply(line)
            self._digests[line["seq"]] = digest(self._documents)
            for fact in facts:
                if fact not in self._since and self._holds(fact):
                    self._since[fact] = line["seq"]

    def required(self, tape: Iterable[Entry]) -> list[int]:
        """For each moment of the tape, the last transaction that was acknowledged."""
        required, moments = 0, []
        for entry in tape:
            if entry.call == ACKNOWLEDGED:
                required = max(required, self._since[entry.data])
            moments.append(required)
        return moments

    def problem(self, found: Documents | str, promised: int) -> str:
        """Describe the fault of a store's documents, or ""; `found` is the error if it has none."""
        if isinstance(found, str):
            return found
        after = [seq for seq, each in self._digests.items() if each == digest(found)]
        if not after:
            return "the documents are those after no transaction"
        return "" if max(after) >= promised else f"lost: has {max(after)}, promised {promised}"

    def _apply(self, line: dict[str, Any]) -> None:
        for name, documents in line["put"].items():
            self._documents[name].update({each[self._keys[name]]: each for each in documents})
        for name, keys in line["delete"].items():
            for key in keys:  # an event that is delivered as it is emitted was never stored
                self._documents[name].pop(key, None)

    def _holds(self, fact: Fact) -> bool:
        document = self._documents[fact.collection].get(fact.key)
        if fact.version == GONE:
            return document is None
        return document is not None and document.get("version", 0) >= fact.version


def digest(documents: Documents) -> bytes:
    """A digest that does not depend on the order of the documents."""
    return blake2b(orjson.dumps(documents, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()


def _transactions(tape: Iterable[Entry]) -> list[dict[str, Any]]:
    lines = {}
    for entry in tape:
        if entry.call == WRITE and entry.name.startswith("journal/"):
            for text in entry.data.splitlines():
                line = orjson.loads(text)
                if "seq" in line:
                    lines[line["seq"]] = line
    return [lines[seq] for seq in sorted(lines)]
