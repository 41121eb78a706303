"""Files that a person wrote, edited or brought along: judged strictly, then taken as true."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from app.kernel.errors import Invalid, Malformed, Problem
from app.schema import strict_json
from app.store import Collection
from app.store.files.disk.filesystem import translating_os_errors
from app.store.files.folder.issued_numbers import IssuedNumbers
from app.store.files.memory.index import SEPARATOR, index_entry_of_raw
from app.store.files.memory.transaction import COUNTERS
from app.store.files.snapshot.checkpoint_file import path_of
from app.store.files.wal.format import encode_document

MOST_PROBLEMS = 20
"""How many faults of one file are named; who mends these sees the next."""


class ExternalFile(NamedTuple):
    """A file's documents by key, each as the JSON that the store keeps, and where each stands."""

    documents: dict[str, bytes]
    lines: dict[str, int]


def read_external_file(folder: Path, collection: Collection) -> ExternalFile:
    """What a file holds.

    Raises Invalid, naming file, line and reason of what is wrong, Unavailable for a failed disk.
    """
    path = path_of(folder, collection.name)
    if not path.exists():
        raise Invalid([Problem("", f"{path.name} is missing; an empty one holds [].")])
    with translating_os_errors(f"reading {path.name}"):
        data = path.read_bytes()
    found = ExternalFile({}, {})
    try:
        problems = list(islice(_take_in(data, collection, found), MOST_PROBLEMS))
    except Malformed as error:
        raise Invalid([Problem("", f"{path.name}: {error}")]) from None
    if problems:
        raise Invalid([Problem("", f"{path.name}, {problem}") for problem in problems])
    return found


def read_all(folder: Path, collections: Iterable[Collection]) -> dict[str, ExternalFile]:
    """What the files of these collections hold. Raises Invalid for all of them at once."""
    found: dict[str, ExternalFile] = {}
    problems: list[Problem] = []
    for each in collections:
        try:
            found[each.name] = read_external_file(folder, each)
        except Invalid as error:
            problems.extend(error.problems)
    if problems:
        raise Invalid(problems)
    return found


def refuse_contradictions(
    ledger: IssuedNumbers,
    collections: Iterable[Collection],
    read: Mapping[str, ExternalFile],
    counters: Mapping[str, bytes] | None,
) -> None:
    """Raise Invalid where files contradict the ledger or each other, or `counters` are too low.

    Without counters nothing is too low. Afterwards the ledger has all that the files gave out.
    """
    problems = (
        Problem("", f"{place}: {told}")
        for each in collections
        if each.name in read
        for key, raw in read[each.name].documents.items()
        for place in [_place(read, each, key)]
        for told in ledger.note(each, orjson.loads(raw), place)
    )
    found = list(islice(problems, MOST_PROBLEMS))
    values = {name: orjson.loads(raw) for name, raw in (counters or {}).items()}
    for name, told in () if counters is None else ledger.too_low(values):
        found.append(Problem("", f"{_place(read, COUNTERS, name)}: {told}"))
    if found:
        raise Invalid(found)


def _place(read: Mapping[str, ExternalFile], collection: Collection, key: str) -> str:
    """The file and, where a person wrote it, the line on which a document stands."""
    lines = read[collection.name].lines if collection.name in read else {}
    line = f", line {lines[key]}" if key in lines else ""
    return f"{collection.name}.json{line}"


def _take_in(data: bytes, collection: Collection, found: ExternalFile) -> Iterator[str]:
    """Add each good document to `found`, and yield what is wrong with the others."""
    for line, document in strict_json.elements(data):
        key = document.get(collection.key) if isinstance(document, dict) else None
        if not isinstance(key, str) or not key or SEPARATOR in key:
            yield f"line {line}: {collection.key} is missing or not a text"
        elif key in found.documents:
            yield f"line {line}: {collection.key} {key} stands twice"
        else:
            try:
                found.documents[key] = _judged(collection, {collection.key: key} | document)
                found.lines[key] = line
            except (Invalid, ValueError) as error:
                yield f"line {line}: {collection.key} {key}: {error}"
            except (LookupError, TypeError, AttributeError):
                yield f"line {line}: {collection.key} {key}: a member is missing or of another type"


def _judged(collection: Collection, document: dict[str, Any]) -> bytes:
    """The document as it is kept. Raises Invalid or ValueError for one that breaks the rules."""
    collection.check(document)
    raw = encode_document(document)
    index_entry_of_raw(collection, raw)
    for series, _, number in collection.issued_numbers(document):
        if type(number) is not int:
            raise ValueError(f"the {series} number must be a whole number")
    return raw
