"""Does the exercise of docs/tour.md in a copy of the code."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOUR = (ROOT / "docs/tour.md").read_text("utf-8")


def test_the_exercise_works(tmp_path: Path) -> None:
    """Its diff applies to the code as it is, and its tests pass."""
    for name in ("app", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    diff = re.search(r"```diff\n(.+?)```", TOUR, re.DOTALL)
    assert diff
    _run(["git", "apply", "-C1", "-"], tmp_path, diff[1])
    chosen = ["tests/loyalty", "tests/events/test_event_table.py", "-k", "delivered"]
    output = _run([sys.executable, "-m", "pytest", "-n", "0", "-v", *chosen], tmp_path)
    assert "2 passed" in output


def _run(command: list[str], folder: Path, text: str = "") -> str:
    done = subprocess.run(command, cwd=folder, input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
