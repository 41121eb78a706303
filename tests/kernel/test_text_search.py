"""Word search over names, addresses and skus."""

import pytest

from app.kernel.text_search import has_words, words_of


@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ("", True), ("assam", True), ("SAM  tea-1", True), ("zoe\u0308", True), ("STRASSE", True),
        ("assam mug", False), ("mx", False),
    ],
)  # fmt: skip
def test_each_word_occurs_in_one_of_the_texts(query: str, is_found: bool) -> None:
    """In any case and Unicode form, and as a part of a word; a missing text has no words."""
    words = words_of(query)
    assert has_words(words, "Assam, Zo\u00eb, Stra\u00dfe", "tea-1", None) is is_found


def test_a_word_does_not_span_two_texts() -> None:
    """The end of one text and the start of the next make no word."""
    assert not has_words(words_of("teapot"), "tea", "pot")
