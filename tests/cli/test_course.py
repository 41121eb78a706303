"""`flask course start` and `flask course check`, and the exercises as docs/course/ gives them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.config import PREFIX, Config
from tests.cli import shell
from tests.cli.conftest import Give
from tests.processes.servers import free_port

COURSE = shell.ROOT / "docs/course"
SOLUTIONS = COURSE / "solutions"
PATIENCE_S = 600.0
READY = "curl -s --retry 99 --retry-delay 1 --retry-connrefused localhost:8100/readyz"


def commands_of(page: Path) -> list[str]:
    """The lines of the page's sh blocks."""
    blocks = re.findall(r"^ *```sh\n(.+?)^ *```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return [line.strip() for block in blocks for line in block.splitlines()]


def page_of(exercise: int) -> Path:
    """The page of an exercise."""
    [page] = COURSE.glob(f"{exercise}-*.md")
    return page


def in_terminal(home: Path, *lines: str, folder: Path = shell.ROOT) -> str:
    """Give these lines in a bash, on a port that is free; return what they print."""
    script = "\n".join(["set -m", "trap 'kill -9 %flask 2>/dev/null' EXIT", *lines])
    script = script.replace("8100", str(free_port()))
    script = script.replace(". .venv/bin/", f". {Path(sys.executable).parent}/")
    inherited = {name: text for name, text in os.environ.items() if not name.startswith(PREFIX)}
    bash = subprocess.Popen(
        ["bash", "-c", script],
        cwd=folder,
        env=inherited | {"HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        return bash.communicate(timeout=PATIENCE_S)[0]
    finally:
        bash.terminate()  # its trap kills the shop
        bash.wait(shell.PATIENCE_S)


@pytest.mark.deep
@pytest.mark.parametrize("exercise", range(1, 6))
def test_an_exercise_is_done_by_its_solution(tmp_path: Path, exercise: int) -> None:
    """In a shop that was begun as the course says; before that, its check says what is missing."""
    check = f"flask course check {exercise}"
    begin = [
        line for line in commands_of(COURSE / "README.md") if not line.startswith(("kill", "rm"))
    ]
    solution = (SOLUTIONS / f"{exercise}.sh").read_text("utf-8")
    printed = in_terminal(tmp_path, *begin, check, READY, solution, check)
    assert f"Exercise {exercise} is not done yet." in printed
    assert printed.endswith(f"\nExercise {exercise} is done.\n"), printed


@pytest.mark.deep
def test_the_handler_is_added_by_its_solution(tmp_path: Path) -> None:
    """In a copy of the code, in under forty lines without empty ones and docstrings."""
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("app", "tests", "docs"):
        shutil.copytree(shell.ROOT / name, tmp_path / name, ignore=ignore)
    for name in ("pyproject.toml", "wsgi.py"):
        shutil.copy(shell.ROOT / name, tmp_path)
    begin = (". .venv/bin/activate", "export DAYBOOK_DATA=~/data", "flask course start")
    apply = "git apply -C1 docs/course/solutions/6.diff"
    others = "pytest -n 0 tests/events/test_event_table.py -k 'delivered or earned'"
    check = "flask course check 6"
    printed = in_terminal(tmp_path, *begin, check, apply, others, check, folder=tmp_path)
    assert "Exercise 6 is not done yet." in printed
    assert "2 passed" in printed
    assert printed.endswith("\nExercise 6 is done.\n"), printed

    diff = (SOLUTIONS / "6.diff").read_text("utf-8")
    added = re.findall(r"^\+(?!\+\+) *(\S.*)", diff, re.MULTILINE)
    assert len([line for line in added if not line.startswith('"""')]) < 40


@pytest.mark.parametrize("exercise", range(1, 6))
def test_a_solution_has_the_commands_of_its_page(exercise: int) -> None:
    """So that each command of a page is run by the test above."""
    given = (SOLUTIONS / f"{exercise}.sh").read_text("utf-8").splitlines()
    commands = commands_of(page_of(exercise))
    assert commands[-1] == f"flask course check {exercise}"
    assert [line for line in commands[:-1] if line not in given] == []


@pytest.mark.parametrize("exercise", range(1, 7))
def test_a_new_shop_has_done_no_exercise(flask: Give, exercise: int) -> None:
    """Each check says what is missing, and exits with 1."""
    assert flask("course", "start").exit_code == 0
    checked = flask("course", "check", exercise)
    assert checked.exit_code == 1
    assert checked.output.startswith("- ")
    assert checked.output.endswith(f"Exercise {exercise} is not done yet.\n")


def test_the_course_begins_with_some_products(flask: Give) -> None:
    """In the data folder, which is not the shop's."""
    started = flask("course", "start")
    assert started.exit_code == 0
    assert started.output.startswith("A shop with 20 products is in ")


def test_the_course_replaces_nothing(flask: Give, config: Config) -> None:
    """A folder that is not empty is refused."""
    config.data.mkdir()
    (config.data / "orders.json").write_text("[]")
    refused = flask("course", "start")
    assert refused.exit_code == 2
    assert "is not empty" in refused.output
    assert [each.name for each in config.data.iterdir()] == ["orders.json"]


def test_the_course_does_not_begin_in_the_folder_of_the_shop() -> None:
    """Without DAYBOOK_DATA, nothing is created."""
    _, out, err = shell.finished(
        subprocess.Popen(
            [sys.executable, "-m", "flask", "course", "start"],
            cwd=shell.ROOT,
            env={n: t for n, t in os.environ.items() if not n.startswith(PREFIX)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    )
    assert (out, "Set DAYBOOK_DATA to a new folder" in err) == ("", True)
