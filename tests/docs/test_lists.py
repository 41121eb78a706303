"""The list of decisions and the changelog have each entry once."""

import re
from collections import Counter

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
