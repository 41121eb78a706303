"""How much is tried: a part in `make test`, a larger one in CI, everything by `make crash`."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")
"""Where Linux has a file system in memory."""

EVERYTHING = "CRASH" in os.environ
"""Set by `make crash`."""

SEED = int(os.environ.get("CRASH_SEED", "20261121"))
"""By which the parts are drawn; each failure prints the one that repeats it."""

Tell = Callable[[str], None]


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Tell:
    """A function that puts a figure on record; the summary at the end of the tests shows it."""
    return lambda figure: record_property("figure", figure)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the figures: what was tried, and what was found."""
    for report in terminalreporter.stats.get("passed", []):
        for name, figure in report.user_properties:
            if name == "figure":
                terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]}: {figure}")


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where the machine has that: these tests create thousands of files.

    The kill, the fault and the power cut come from the tests, so the disk below does not matter.
    """
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else tmp_path) as folder:
        yield Path(folder)
