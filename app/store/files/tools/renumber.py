"""After a repair (salvaging.py): no number that a lost entry gave out is given out again.

A counter goes up to the highest number that any document has, and any entry: of a lost one the
counters can often still be made out. Where not even that is possible, and no later entry tells what
the counter was, it leaves room: better a gap than a number twice.
"""

import re
from collections.abc import Container, Iterable, Mapping
from typing import Any, NamedTuple

import orjson

from app.store import Collection, Document
from app.store.files.folder.issued_numbers import IssuedNumbers
from app.store.files.memory.transaction import COUNTERS, LAST_ID
from app.store.files.wal.format import Line, encode_document

ROOM = 1_000
"""More numbers of one series than any transaction gives out."""

_COUNTERS = re.compile(
    rb'"counters":(\[(?:\{"name":"[^"\\]+","value":(?:\d{1,15}|"[0-9a-f-]+")\},?)+\])'
)

_BOOKKEEPING = ({"crc", "published"}, {"crc", "next"})
"""The members of lines that are no transactions."""

Numbers = dict[str, int]


class Lost(NamedTuple):
    """An entry that cannot be read: its number, where that is known, and what is there of it."""

    seq: int | None
    text: bytes = b""


class Raised(NamedTuple):
    """The counters as they must be, and the series in which room was left, up to which number."""

    counters: dict[str, bytes]
    gaps: Numbers


def raised_counters(
    collections: Iterable[Collection],
    documents: Mapping[str, Mapping[str, bytes]],
    transactions: Mapping[int, Line],
    covers: int,
    lost: list[Lost],
) -> Raised:
    """The counters among `documents`, raised above all that may have been given out.

    The readable file of the counters had in it every transaction up to `covers`.
    """
    counters = _least(collections, documents, transactions)
    highest = {name: value for name, value in counters.items() if isinstance(value, int)}
    limits = {name: number + ROOM * len(lost) for name, number in highest.items()}
    read = [(entry, _numbers_in(entry.text, documents.keys(), limits)) for entry in lost]
    unread = [entry for entry, numbers in read if numbers is None]
    told = [(entry.seq or 0, numbers) for entry, numbers in read if numbers is not None]
    told += [(seq, _numbers_of(line["put"])) for seq, line in transactions.items()]
    told_at = dict.fromkeys(highest, covers)
    for seq, numbers in told:
        for series, number in numbers.items():
            highest[series] = max(number, highest.get(series, 0))
            told_at[series] = max(seq, told_at.get(series, 0))
    gaps = {
        series: number + ROOM * behind
        for series, number in highest.items()
        if (behind := sum(each.seq is None or each.seq > told_at[series] for each in unread))
    }
    raised = counters | highest | gaps
    return Raised({name: _kept(name, value) for name, value in raised.items()}, gaps)


def _kept(name: str, value: int | str) -> bytes:
    return encode_document({COUNTERS.key: name, "value": value})


def _least(
    collections: Iterable[Collection],
    documents: Mapping[str, Mapping[str, bytes]],
    transactions: Mapping[int, Line],
) -> dict[str, int | str]:
    """The counters, or what must stand there by all documents that there are and were."""
    ledger = IssuedNumbers()
    for each in collections:
        for raw in documents[each.name].values():
            ledger.add(each, orjson.loads(raw))
        for line in transactions.values():
            for document in line["put"].get(each.name, []):
                ledger.add(each, document)
    least = {name: _value(raw) for name, raw in ledger.counters().items()}
    for name, raw in documents[COUNTERS.name].items():
        value = _value(raw)
        least[name] = max(value, least.get(name, value))
    return least


def _value(raw: bytes) -> Any:
    return orjson.loads(raw)["value"]


def _numbers_of(put: Mapping[str, list[Document]]) -> Numbers:
    """The counters that a transaction put."""
    counters = put.get(COUNTERS.name, [])
    return {each["name"]: each["value"] for each in counters if each["name"] != LAST_ID}


def _numbers_in(text: bytes, names: Container[str], limits: Numbers) -> Numbers | None:
    """The counters in a lost entry; None where they cannot be read.

    Nor can they be believed where they are above all `limits`: then a digit is damaged.
    """
    if found := _COUNTERS.search(text):
        numbers = _numbers_of({COUNTERS.name: orjson.loads(found[1])})
        sound = all(number <= limits.get(name, number) for name, number in numbers.items())
        return numbers if sound else None
    return {} if _has_none(text, names) else None


def _has_none(text: bytes, names: Container[str]) -> bool:
    """Whether so much of a lost entry can be read that it is certain to have had no counters."""
    try:
        line = orjson.loads(text)
    except ValueError:
        return False
    members = line.keys() if isinstance(line, dict) else {}
    if members in _BOOKKEEPING:
        return True
    return "put" in members and all(name in names and name != COUNTERS.name for name in line["put"])
