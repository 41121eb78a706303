"""Word search without an index: each word of a query must occur in a text, in any case."""

from collections.abc import Iterable
from unicodedata import normalize


def words_of(query: str) -> list[str]:
    """Split a query into words, in NFC and case-folded."""
    return normalize("NFC", query).casefold().split()


def has_words(words: Iterable[str], *texts: str | None) -> bool:
    """Return whether each word, as words_of gives it, is a part of one of the texts."""
    searched = "\n".join(filter(None, texts)).casefold()
    return all(word in searched for word in words)
