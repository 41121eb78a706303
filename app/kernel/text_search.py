"""Word search: each word of a query must occur in a text, whatever case, accents and form.

An index for it (pg_trgm of PostgreSQL is a relative) has the terms of each text: all parts of its
words with up to TERM_MAX_CHARACTERS. A text that has a word has all its terms, so only documents
with the rarest of them need to be read.
"""

import unicodedata
from collections.abc import Iterable
from functools import lru_cache

MAX_QUERY_CHARACTERS = 254
"""Characters of a query that count; each name and address is shorter."""

TERM_MAX_CHARACTERS = 3
CACHED_TEXTS = 1024
"""Texts whose terms are kept, because a product is stored again each time its stock changes."""

_ACCENTS = dict.fromkeys(range(0x300, 0x370))
"""Combining Diacritical Marks (Latin, Greek, Cyrillic); marks of other scripts make a letter."""

_LETTERS = str.maketrans(
    {"ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ŧ": "t", "ø": "o", "ı": "i", "ŋ": "n"}
    | {"æ": "ae", "œ": "oe", "þ": "th", "’": "'"}
)
"""Letters that Unicode does not decompose, and the apostrophe that word processors put."""


def fold(text: str) -> str:
    """Return the text as it is compared: small letters without accents, compatibility forms plain.

    "Łódź" becomes "lodz", "Straße" "strasse" and "Ａ５" "a5".
    """
    if text.isascii():
        return text.lower()
    letters = unicodedata.normalize("NFKD", text).translate(_ACCENTS).casefold().translate(_LETTERS)
    return unicodedata.normalize("NFKC", letters)


def typed_query(text: str) -> str:
    """Return a query as typed: MAX_QUERY_CHARACTERS at most, in NFC, without spaces around it."""
    return unicodedata.normalize("NFC", text[:MAX_QUERY_CHARACTERS]).strip()


def words_of(query: str) -> list[str]:
    """Split the first MAX_QUERY_CHARACTERS of a query into words, folded."""
    return fold(query[:MAX_QUERY_CHARACTERS]).split()


def has_words(words: Iterable[str], *texts: str | None) -> bool:
    """Return whether each word, as words_of gives it, is a part of one of the texts."""
    searched = fold("\n".join(filter(None, texts)))
    return all(word in searched for word in words)


@lru_cache(maxsize=CACHED_TEXTS)
def index_terms(*texts: str) -> tuple[str, ...]:
    """Return the terms under which an index has these texts, each once."""
    terms = {
        word[start : start + size]
        for word in fold("\n".join(texts)).split()
        for size in range(1, TERM_MAX_CHARACTERS + 1)
        for start in range(len(word) - size + 1)
    }
    return tuple(terms)


def query_terms(words: Iterable[str]) -> set[str]:
    """Return the longest terms of words_of; a text with all the words has all of these."""
    return {
        word[start : start + TERM_MAX_CHARACTERS]
        for word in words
        for start in range(max(len(word) - TERM_MAX_CHARACTERS, 0) + 1)
    }
