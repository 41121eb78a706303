"""The virtual environments that make uses: one for each Python, so that none breaks another."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def make_test(*words: str) -> subprocess.CompletedProcess[str]:
    """Ask make what `make test` would do, without doing it."""
    outer = {"PYTHON", "MAKEFLAGS", "MAKELEVEL"}
    environ = {name: value for name, value in os.environ.items() if name not in outer}
    command = ["make", "--dry-run", "test", *words]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)


def environments(text: str) -> set[str]:
    """The environments that the commands name, by their paths inside of this folder."""
    return set(re.findall(r"(?<!\S)\.venv[^/\s]*", text))


def test_python3_is_in_venv() -> None:
    """The docs name .venv, and nobody has to say which Python it is of."""
    assert environments(make_test().stdout) == {".venv"}


def test_another_python_has_an_environment_of_its_own() -> None:
    """Its version is in the name; .venv is neither read nor changed."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert environments(make_test(f"PYTHON={sys.executable}").stdout) == {f".venv-{version}"}


def test_a_python_that_is_not_there_is_named() -> None:
    """Nothing runs in the environment of another instead."""
    done = make_test("PYTHON=python3.no")
    assert "PYTHON=python3.no does not run" in done.stderr
    assert done.returncode and not done.stdout
