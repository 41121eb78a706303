"""Word search over names, addresses and skus."""

from typing import Literal
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kernel.text_search import fold, has_words, index_terms, query_terms, words_of


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


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("Café", "cafe"),
        ("José", "jose"),
        ("Łódź", "lodz"),
        ("Straße", "STRASSE"),
        ("Smørrebrød", "smorrebrod"),
        ("Ærø", "aero"),
        ("İstanbul", "istanbul"),
        ("Aydın", "aydin"),
        ("Đorđe", "dorde"),
        ("Þór", "thor"),
        ("Nguyễn", "nguyen"),
        ("Σοφίας", "ΣΟΦΙΑΣ"),
        ("τῷ λόγῳ", "τῷ λόγῳ"),
        ("Ёлка", "елка"),
        ("Levi’s", "levi's"),
        ("Ａ５", "a5"),
        ("한국", "한국"),
        ("茶壶", "茶壶"),
    ],
)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_accents_and_special_letters_do_not_matter(
    text: str, typed: str, form: Literal["NFC", "NFD"]
) -> None:
    """Each is found by what other keyboards type, and the other way round."""
    text = normalize(form, text)
    assert has_words(words_of(typed), text)
    assert has_words(words_of(text), typed)


def test_marks_of_other_scripts_are_kept() -> None:
    """A Japanese or Indic mark makes another letter, and no accent."""
    assert not has_words(words_of("か"), "が")
    assert not has_words(words_of("कि"), "कु")


@given(st.text(max_size=30), st.text(max_size=30))
def test_the_index_has_all_that_a_search_finds(text: str, query: str) -> None:
    """A text that has the words of a query has its terms, and folding twice changes nothing."""
    for words in (words_of(query), words_of(text[3:9])):
        if has_words(words, text):
            assert query_terms(words) <= set(index_terms(text))
    assert fold(fold(text)) == fold(text)


def test_terms_are_short_parts_of_words() -> None:
    """A word of three characters or less is a term itself."""
    assert set(index_terms("Thé 5")) == {"t", "h", "e", "th", "he", "the", "5"}
    assert query_terms(words_of("Assam té")) == {"ass", "ssa", "sam", "te"}
