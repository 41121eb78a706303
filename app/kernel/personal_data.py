"""Personal data of customers: the fields of documents that hold it, and how it is erased.

An order's customer stands in the order, its events, invoice and shipment, each time under the same
field names. Texts that people and other systems wrote (reasons, errors) may repeat them.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

Erase = Callable[[dict[str, Any]], dict[str, Any]]
"""A function from a document to the same without personal data."""

FORGOTTEN = "customer forgotten"
"""The event in the history of an order whose customer was erased; it is no status."""

ERASED_NAME = "Erased customer"
_ERASED_TEXT = "***"

_WHOLE = {"reason": "", "response": ""}
"""Texts of people and of receivers of webhooks: they may tell anything about a customer."""

_REPLACED = {"customer_name": ERASED_NAME, "customer_email": None} | _WHOLE
"""The fields that a document must keep, and their values after the erasure."""

_REMOVED = frozenset({"link", "shipping_address"})
_SEARCHED = frozenset({"detail", "error", "note"})
"""Texts in which the values of the other fields may occur; what else they say is kept."""

_LETTER = r"[^\W\d_]"

_COUNTRY = "country"
"""The only part of an address that tells of no person."""


def erasure_of(*documents: object) -> Erase:
    """The erasure of the customer of an order; `documents` are all that name the customer."""
    texts = {text for each in documents for text in _personal_texts(each)}
    domains = {text[text.rindex("@") :] for text in texts if "@" in text}
    longest_first = sorted(texts | domains, key=len, reverse=True)
    any_of_them = "|".join(map(_as_words, longest_first)) or r"(?!)"
    pattern = re.compile(any_of_them, re.IGNORECASE)

    def erase(document: dict[str, Any]) -> dict[str, Any]:
        erased: dict[str, Any] = _erased("", document, pattern)
        return erased

    return erase


def _as_words(text: str) -> str:
    """The pattern of a text that is no part of a longer word, where its script divides words."""
    before = rf"(?<!{_LETTER})" if text[0].lower() != text[0].upper() else ""
    after = rf"(?!{_LETTER})" if text[-1].lower() != text[-1].upper() else ""
    return before + re.escape(text) + after


def _personal_texts(value: object, *, is_personal: bool = False) -> Iterator[str]:
    """The names, addresses and links in a document, at any depth."""
    if isinstance(value, dict):
        for name, each in value.items():
            is_field = name in _REMOVED or (name in _REPLACED and name not in _WHOLE)
            if name != _COUNTRY:
                yield from _personal_texts(each, is_personal=is_personal or is_field)
    elif isinstance(value, list):
        for each in value:
            yield from _personal_texts(each, is_personal=is_personal)
    elif is_personal and isinstance(value, str) and value not in ("", ERASED_NAME):
        yield value


def _erased(name: str, value: Any, pattern: re.Pattern[str]) -> Any:
    if name in _REPLACED and not isinstance(value, dict | list):
        return _REPLACED[name]
    if isinstance(value, dict):
        kept = (each for each in value if each not in _REMOVED)
        return {each: _erased(each, value[each], pattern) for each in kept}
    if isinstance(value, list):
        return [_erased(name, each, pattern) for each in value]
    if name in _SEARCHED and isinstance(value, str):
        return pattern.sub(_ERASED_TEXT, value)
    return value
