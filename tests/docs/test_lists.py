"""Lists are whole: decisions, changes, stories, and the modules that deliver events."""

import re
from collections import Counter

import pytest

from tests.docs.test_links import ROOT

DECISIONS = ROOT / "docs" / "decisions"


def test_each_record_is_listed_once() -> None:
    """The table of decisions has one row for each number, and a link to each file."""
    table = (DECISIONS / "README.md").read_text()
    numbers = Counter(re.findall(r"^\| \[?([0-9]{4})\b", table, re.MULTILINE))
    assert not {number for number, rows in numbers.items() if rows > 1}
    files = {path.name for path in DECISIONS.glob("[0-9]*.md")}
    assert set(re.findall(r"^\| \[[0-9]{4}\]\(([^)]*)\)", table, re.MULTILINE)) == files


def test_no_change_is_told_twice() -> None:
    """No two entries of the changelog have the same text."""
    text = (ROOT / "CHANGELOG.md").read_text()
    entries = Counter(
        " ".join(each.split()) for each in re.split(r"^[-#]+ ", text, flags=re.MULTILINE)
    )
    assert not {entry for entry, times in entries.items() if entry and times > 1}


@pytest.mark.parametrize("page", ["README.md", "docs/flow.md"])
def test_each_story_is_listed(page: str) -> None:
    """The tables of what to read link to every story."""
    text = (ROOT / page).read_text()
    stories = {path.name for path in (ROOT / "tests" / "stories").glob("test_*.py")}
    assert {name for name in stories if f"tests/stories/{name})" not in text} == set()


def test_each_module_of_events_is_in_the_architecture() -> None:
    """Its tables link to every module that delivers events; routes and schemas are everywhere."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    events = ROOT / "app" / "events"
    modules = {str(path.relative_to(ROOT)) for path in events.rglob("[a-z]*.py")}
    missing = {module for module in modules if f"(../{module})" not in text}
    assert missing == {"app/events/routes.py", "app/events/schemas.py"}
