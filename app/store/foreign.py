"""Files that a person wrote, edited or brought along: judged strictly, then taken as true."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from app import strict_json
from app.errors import Invalid, Malformed, Problem
from app.store import Collection
from app.store.checkpoint import path_of
from app.store.files import reporting
from app.store.index import SEPARATOR, filing_of

MOST_PROBLEMS = 20
"""How many faults of one file are named; who mends these sees the next."""


def read_foreign(folder: Path, collection: Collection) -> dict[str, bytes]:
    """The documents of a file by key, each as the JSON that the store keeps.

    Raises Invalid, naming file, line and reason of what is wrong, Unavailable for a failed disk.
    """
    path = path_of(folder, collection.name)
    if not path.exists():
        raise Invalid([Problem("", f"{path.name} is missing; an empty one holds [].")])
    with reporting(f"reading {path.name}"):
        data = path.read_bytes()
    documents: dict[str, bytes] = {}
    try:
        problems = list(islice(_take_in(data, collection, documents), MOST_PROBLEMS))
    except Malformed as error:
        raise Invalid([Problem("", f"{path.name}: {error}")]) from None
    if problems:
        raise Invalid([Problem("", f"{path.name}, {problem}") for problem in problems])
    return documents


def _take_in(data: bytes, collection: Collection, documents: dict[str, bytes]) -> Iterator[str]:
    """Add each good document to `documents`, and yield what is wrong with the others."""
    for line, document in strict_json.elements(data):
        key = document.get(collection.key) if isinstance(document, dict) else None
        if not isinstance(key, str) or not key or SEPARATOR in key:
            yield f"line {line}: {collection.key} is missing or not a text."
        elif key in documents:
            yield f"line {line}: {collection.key} {key} stands twice."
        else:
            try:
                documents[key] = _judged(collection, {collection.key: key} | document)
            except (Invalid, ValueError) as error:
                yield f"line {line}: {collection.key} {key}: {error}"


def _judged(collection: Collection, document: dict[str, Any]) -> bytes:
    """The document as it is kept. Raises Invalid or ValueError for one that breaks the rules."""
    collection.check(document)
    raw = orjson.dumps(document)
    filing_of(collection, raw)
    return raw
