"""The documents name only files, headings, commands and make targets that exist."""

import re
from collections.abc import Iterator, Set
from pathlib import Path

import pytest

from app import create_app
from app.config import Config

ROOT = Path(__file__).parents[2]
FOLDERS = ("app", "bench", "deploy", "docs", "tests")
PAGES = sorted(
    page
    for page in (
        *ROOT.glob("*.md"),
        *(page for each in FOLDERS for page in (ROOT / each).rglob("*.md")),
    )
    if "node_modules" not in page.parts
)
MODULES = {path.name for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")}


@pytest.fixture(scope="module")
def commands() -> Set[str]:
    """The names of the application's commands."""
    return create_app(Config()).cli.commands.keys()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(page: Path) -> None:
    """A relative link leads to a file or folder; an anchor is one of its headings."""
    for link in re.findall(r"\]\(([^)\s]+)\)", _prose(page)):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in _anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_paths_in_backticks_exist(page: Path) -> None:
    """A path below a folder of the repository exists; so does a module named without a folder."""
    for code in _code(page):
        for path in re.findall(rf"(?<![\w./])(?:{'|'.join(FOLDERS)})/[\w./-]*", code):
            assert (ROOT / path.rstrip(".")).exists(), code
        if re.fullmatch(r"\w+\.py", code):
            assert code in MODULES | {"wsgi.py"}, code


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_backticks_exist(commands: Set[str], page: Path) -> None:
    """`flask NAME` is a command, and `make NAME` a target of the Makefile."""
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    for code in _code(page):
        for name in re.findall(r"\bflask ([a-z][\w-]*)", code):
            assert name in commands, code
        for name in re.findall(r"^make ([a-z][\w-]*)", code):
            assert name in targets, code


def _prose(page: Path) -> str:
    return re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)


def _code(page: Path) -> Iterator[str]:
    """The code spans; those of the retired names are not to exist."""
    yield from re.findall(r"`([^`\n]+)`", _prose(page).split("## Retired names")[0])


def _anchors(page: Path) -> set[str]:
    """The anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}
