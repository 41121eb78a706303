"""How much is tried: a part in `make test`, a larger one in CI, everything by `make crash`."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")
"""Where Linux has a file system in memory."""

EVERYTHING = "CRASH" in os.environ
"""Set by `make crash`."""

SEED = int(os.environ.get("CRASH_SEED", "20261121"))
"""By which the parts are drawn; each failure prints the one that repeats it."""


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where the machine has that: these tests create thousands of files.

    The kill, the fault and the power cut come from the tests, so the disk below does not matter.
    """
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else tmp_path) as folder:
        yield Path(folder)
