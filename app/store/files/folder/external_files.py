"""External files: checkpoint files that a person wrote, edited or copied in, validated strictly."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from app.kernel.errors import Invalid, Malformed, Problem
from app.schema import strict_json
from app.store import Collection
from app.store.documents import SEPARATOR
from app.store.files.disk.filesystem import translating_os_errors
from app.store.files.folder.issued_numbers import IssuedNumbers
from app.store.files.memory.index import index_entry_of_stored
from app.store.files.memory.transaction import COUNTERS
from app.store.files.snapshot.checkpoint_file import path_of
from app.store.files.wal.format import encode_document

MAX_PROBLEMS = 20
"""How many faults of one file an error lists."""


class ExternalFile(NamedTuple):
    """A file's documents by key, as JSON to store, and the line on which each begins."""

    documents: dict[str, bytes]
    lines: dict[str, int]


def read_external_file(folder: Path, collection: Collection) -> ExternalFile:
    """Read and validate one file.

    Raises Invalid, with file, line and reason of each fault; Unavailable when the disk fails.
    """
    path = path_of(folder, collection.name)
    if not path.exists():
        raise Invalid([Problem("", f"{path.name} is missing; an empty one holds [].")])
    with translating_os_errors(f"reading {path.name}"):
        data = path.read_bytes()
    found = ExternalFile({}, {})
    try:
        elements = strict_json.elements(data)
        problems = list(islice(_parse(elements, collection, found), MAX_PROBLEMS))
    except Malformed as error:
        raise Invalid([Problem("", f"{path.name}: {error}")]) from None
    if problems:
        raise Invalid([Problem("", f"{path.name}, {problem}") for problem in problems])
    return found


def read_valid_documents(
    folder: Path, collection: Collection
) -> tuple[dict[str, bytes], list[str]]:
    """The documents of a file that can be read and keep the rules, and the faults of the others.

    Of a file that is no JSON array, each line is read by itself. Raises OSError.
    """
    path, found = path_of(folder, collection.name), ExternalFile({}, {})
    if not path.exists():
        return {}, ["The file is missing; what the journal does not have either is not known."]
    data = path.read_bytes()
    try:
        elements = [*strict_json.elements(data)]
    except Malformed:
        elements = [*_lines(data)]
    return found.documents, [*_parse(elements, collection, found)]


def read_all(folder: Path, collections: Iterable[Collection]) -> dict[str, ExternalFile]:
    """Read the files of these collections. Raises Invalid with the faults of all of them."""
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
    issued: IssuedNumbers,
    collections: Iterable[Collection],
    read: Mapping[str, ExternalFile],
    counters: Mapping[str, bytes] | None,
) -> None:
    """Add the numbers of the files to `issued`.

    Raises Invalid where files contradict what was issued or each other, or where `counters` are
    too low; without `counters` they are not checked.
    """
    problems = (
        Problem("", f"{location}: {contradiction}")
        for each in collections
        if each.name in read
        for key, raw in read[each.name].documents.items()
        for location in [_location(read, each, key)]
        for contradiction in issued.add(each, orjson.loads(raw), location)
    )
    found = list(islice(problems, MAX_PROBLEMS))
    if counters is not None:
        values = {name: orjson.loads(raw) for name, raw in counters.items()}
        found += [
            Problem("", f"{_location(read, COUNTERS, name)}: {reason}")
            for name, reason in issued.low_counters(values)
        ]
    if found:
        raise Invalid(found)


def _location(read: Mapping[str, ExternalFile], collection: Collection, key: str) -> str:
    """The file of a document and, in an external file, the line."""
    lines = read[collection.name].lines if collection.name in read else {}
    line = f", line {lines[key]}" if key in lines else ""
    return f"{collection.name}.json{line}"


def _lines(data: bytes) -> Iterator[tuple[int, Any]]:
    """The JSON of each line, with its number; None for a line that cannot be read."""
    for number, line in enumerate(data.split(b"\n"), 1):
        text = line.strip(b" \t\r,\xef\xbb\xbf")
        if text not in (b"[", b"]", b""):
            try:
                yield number, strict_json.loads(text)
            except (Malformed, Invalid):
                yield number, None


def _parse(
    elements: Iterable[tuple[int, Any]], collection: Collection, found: ExternalFile
) -> Iterator[str]:
    """Add each valid document to `found`, and yield the faults of the others."""
    for line, document in elements:
        key = document.get(collection.key) if isinstance(document, dict) else None
        if not isinstance(key, str) or not key or SEPARATOR in key:
            yield f"line {line}: {collection.key} is missing or not a text"
        elif key in found.documents:
            yield f"line {line}: {collection.key} {key} stands twice"
        else:
            try:
                found.documents[key] = _validate(collection, {collection.key: key} | document)
                found.lines[key] = line
            except (Invalid, ValueError) as error:
                yield f"line {line}: {collection.key} {key}: {error}"
            except (LookupError, TypeError, AttributeError):
                yield f"line {line}: {collection.key} {key}: a member is missing or of another type"


def _validate(collection: Collection, document: dict[str, Any]) -> bytes:
    """The document as it is stored. Raises Invalid or ValueError when it breaks the rules."""
    collection.check(document)
    raw = encode_document(document)
    index_entry_of_stored(collection, document[collection.key], raw)
    for series, _, number in collection.issued_numbers(document):
        if type(number) is not int:
            raise ValueError(f"the {series} number must be a whole number")
    return raw
