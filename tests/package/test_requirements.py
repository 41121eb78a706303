"""The requirements files: what `make requirements` pins for pip, with hashes."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.cli.shell import ROOT

FILES = [
    "requirements.txt",
    "requirements-otel.txt",
    "requirements-dev.txt",
    "bench/requirements.txt",
]
PINNED = re.compile(
    r"(?P<name>[a-z0-9-]+)(\[[a-z,]+\])?==(?P<version>\S+)(?P<marker> ; [^\\\n]+)? \\\n"
    r"(?P<hashes>(    --hash=sha256:[0-9a-f]{64}( \\)?\n)+)"
    r"(?P<origin>(    #.*\n)+)"
)


@pytest.mark.parametrize("file", FILES)
def test_each_requirement_is_pinned_with_hashes(file: str) -> None:
    """A file that someone edits by hand, or that names a registry, has a line that does not fit."""
    rest = PINNED.sub("", _text(file))
    assert [line for line in rest.splitlines() if not line.startswith("#")] == []


@pytest.mark.parametrize("file", FILES)
def test_direct_requirements_are_those_of_the_project(file: str) -> None:
    """A file has each requirement that pyproject.toml declares for it, in range, and no other."""
    declared = {canonicalize_name(each.name): each.specifier for each in _declared(file)}
    pinned = {
        canonicalize_name(each["name"]): each["version"]
        for each in PINNED.finditer(_text(file))
        if "daybook (pyproject.toml" in each["origin"]
    }
    assert pinned.keys() == declared.keys()
    assert [name for name, version in pinned.items() if version not in declared[name]] == []


def test_all_files_pin_the_same_version_of_a_package() -> None:
    """A later file that pins what an earlier one has pins the same version with the same hashes."""
    pins: dict[str, set[tuple[str, str]]] = {}
    for file in FILES:
        for each in PINNED.finditer(_text(file)):
            pins.setdefault(each["name"], set()).add((each["version"], each["hashes"]))
    assert [name for name, versions in pins.items() if len(versions) > 1] == []


@pytest.mark.parametrize("file", [".ci/run", "Makefile", "deploy/Dockerfile", "docs/operations.md"])
def test_requirements_are_installed_by_their_hashes(file: str) -> None:
    """Every set-up that reads a requirements file refuses a package without a known hash."""
    installs = re.findall(r"pip install[^\n]* -r |INSTALL(?: :)?=.*", _text(file))
    assert installs != []
    assert [each for each in installs if "--require-hashes" not in each] == []


def _declared(file: str) -> list[Requirement]:
    """The requirements that pyproject.toml declares for one requirements file."""
    source = tomllib.loads(_text("pyproject.toml"))
    project, groups = source["project"], source["dependency-groups"]
    traces = project["dependencies"] + project["optional-dependencies"]["otel"]
    lines = {
        "requirements.txt": project["dependencies"],
        "requirements-otel.txt": traces,
        "requirements-dev.txt": traces + groups["dev"],
        "bench/requirements.txt": groups["bench"],
    }
    return [Requirement(line) for line in lines[file]]


def _text(file: str) -> str:
    """The text of a file of the repository."""
    return Path(ROOT, file).read_text("utf-8")
