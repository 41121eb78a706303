"""Warnings that repeat while trouble lasts."""

import logging

import pytest

from app.system.repeated_warning import RepeatedWarning


def test_warning_is_logged_again_when_it_changes_or_was_cleared(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A warning that repeats is logged once, until another text or `clear` comes between."""
    warning = RepeatedWarning(logging.getLogger(__name__))
    for text in ("full", "full", "broken", "broken", "full"):
        warning.warn(text)
    warning.clear()
    warning.warn("full")
    assert caplog.messages == ["full", "broken", "full", "full"]
