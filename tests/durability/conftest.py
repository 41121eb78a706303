"""How many cases run: a part in `make test`, a larger part in CI, all by `make crash`."""

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")
"""Where Linux has a file system in memory."""

EVERYTHING = "CRASH" in os.environ
"""Set by `make crash`."""

SEED = int(os.environ.get("CRASH_SEED", "20261121"))
"""The seed by which cases are drawn; each failure prints the seed that repeats it."""

Report = Callable[[int, str], None]
FIGURE = "figure"


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Report:
    """A function that records how many cases of a kind ran; the end of the run shows it."""
    return lambda count, what: record_property(FIGURE, (count, what))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show how many cases passed, by test and in total."""
    totals = Counter[str]()
    for report in terminalreporter.stats.get("passed", []):
        for name, figure in report.user_properties:
            if name == FIGURE:
                count, what = figure
                totals[what] += count
                test = report.nodeid.rpartition("::")[2]
                terminalreporter.write_line(f"{test}: {count} {what}")
    for what, count in totals.items():
        terminalreporter.write_line(f"in all, none bad: {count:,} {what}")


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where the machine has that: these tests create thousands of files.

    The kill, the fault and the power cut come from the tests, so the disk below does not matter.
    """
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else tmp_path) as folder:
        yield Path(folder)
