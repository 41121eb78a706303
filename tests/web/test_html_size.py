"""Long texts and lists."""

import pytest
from markupsafe import escape

from app.web.layout.html_size import first_that_fit, shorten


@pytest.mark.parametrize("text", ["", "Ada", "a" * 100, "é" * 50, "\u8336" * 33])
def test_a_text_that_fits_is_kept(text: str) -> None:
    """Its size is that of its bytes in HTML."""
    assert shorten(text, 100) == text


@pytest.mark.parametrize("character", ["a", "é", "茶", "🍵", "&", "<", "'", '"'])
def test_a_longer_text_is_cut(character: str) -> None:
    """It ends with an ellipsis, and takes as much as it may, whatever its characters."""
    cut = shorten(character * 200, 100)
    assert set(cut) == {character, "…"}
    assert 100 - 8 < len(escape(cut).encode()) <= 100


def test_a_list_has_as_many_entries_as_fit() -> None:
    """The first ones; none when the first is too large."""
    assert first_that_fit(["aaa", "bb", "c"], len, 6) == ["aaa", "bb", "c"]
    assert first_that_fit(["aaa", "bb", "c"], len, 5) == ["aaa", "bb"]
    assert first_that_fit(["aaa", "b"], len, 2) == []
    assert first_that_fit([], len, 2) == []
