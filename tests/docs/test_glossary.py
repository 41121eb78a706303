"""docs/glossary.md names files that exist, and no name that it retires is still in use."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GLOSSARY = ROOT / "docs/glossary.md"
TERMS, RETIRED = GLOSSARY.read_text("utf-8").split("\n## Retired names\n")
NAMES = re.findall(r"^\| `(\w+\(?)` \|", RETIRED, re.MULTILINE)
PATTERN = re.compile(
    r"\b(?:"
    + "|".join(re.escape(name) if name.endswith("(") else rf"{name}\b" for name in NAMES)
    + ")"
)
TEXT_FILES = {".py", ".html", ".txt", ".js", ".css"}


def test_no_retired_name_is_in_use() -> None:
    """Code, docstrings, comments and templates use the standard term of the glossary instead."""
    assert len(NAMES) == RETIRED.count("\n| `") > 50
    found = [
        f"{path.relative_to(ROOT)}:{number} has {name!r}, which docs/glossary.md retires"
        for path in _sources()
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        for name in _retired_in(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("class Workshop:", ["Workshop"]),
        ("class Workshops:", []),
        ("a check of what is kept (as stored)", []),
        ("check=kept(schema)", ["kept("]),
    ],
)
def test_a_retired_name_is_found_as_a_whole_word(line: str, names: list[str]) -> None:
    """A name with a parenthesis is found as a call, and not as an ordinary word."""
    assert _retired_in(line) == names


def test_each_file_of_the_glossary_exists() -> None:
    """The column that says where a term stands links to a file or a folder."""
    rows = [line.split(" | ") for line in TERMS.splitlines() if line.startswith("| ")]
    cells = [row[2] for row in rows if row[2] not in ("where", "---")]
    assert len(cells) > 50
    for cell in cells:
        [link] = re.findall(r"\]\(([^)#]+)\)", cell)
        assert (GLOSSARY.parent / link).exists(), cell


def _retired_in(line: str) -> list[str]:
    return PATTERN.findall(line)


def _sources() -> Iterator[Path]:
    """The text files of app/, and the Python code of tests/ and bench/ other than this file."""
    for path in (ROOT / "app").rglob("*"):
        if path.suffix in TEXT_FILES:
            yield path
    for folder in ("tests", "bench"):
        yield from (path for path in (ROOT / folder).rglob("*.py") if path != Path(__file__))
