"""Checks of a document before it is stored, for every store."""

import json

from app.store import Collection, Document

SEPARATOR = "\x1f"
"""Stands between sort text and key in cursors and sort keys. Below every character of a sort text,
so that a text sorts before a longer one. Not in keys."""


def key_of_document(collection: Collection, document: Document) -> str:
    """Return the key. Raises ValueError unless it is the first field, and a text."""
    if next(iter(document), None) != collection.key:
        raise ValueError(f"a document of {collection.name} must begin with {collection.key!r}")
    key = document[collection.key]
    if not isinstance(key, str) or not key or SEPARATOR in key:
        raise ValueError(f"the {collection.key} of a document of {collection.name} must be a text")
    return key


def refuse_non_numbers(document: Document, stored: Document) -> None:
    """Raise ValueError for NaN or an infinity, which orjson stores as null.

    `stored` is the document as it is read back.
    """
    if stored != document:
        json.dumps(document, allow_nan=False, default=str)
