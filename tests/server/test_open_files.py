"""A server has the open files that it needs, or says how many these are."""

import subprocess
import sys
from pathlib import Path

import pytest

from app.config import Config
from app.server.open_files import needed_files

NEEDED = needed_files(Config(data=Path("unused")))

CHECK = """
from pathlib import Path

from app.config import Config
from app.kernel.errors import Unavailable
from app.server.open_files import refuse_low_limit

try:
    refuse_low_limit(Config(data=Path("unused")))
except Unavailable as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("ulimit", "printed"),
    [
        ("ulimit -Sn 64", ""),
        (f"ulimit -n {NEEDED}", ""),
        (
            "ulimit -n 64",
            f"A process may have 64 open files here, and a worker needs up to {NEEDED}. Raise the "
            f"limit to at least {NEEDED}: LimitNOFILE in the unit of the service, or `ulimit -n` "
            "in the shell.\n",
        ),
    ],
)
def test_a_limit_that_is_too_low_is_refused(ulimit: str, printed: str) -> None:
    """A sentence says how many are needed; a soft limit can be raised, and does not matter."""
    words = ["sh", "-c", f'{ulimit} && exec "$@"', "sh", sys.executable, "-c", CHECK]
    done = subprocess.run(words, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (printed, "")
