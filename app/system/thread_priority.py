"""The priority of threads whose work may wait while requests are processed."""

import os
import sys
from contextlib import suppress

NICE_INCREMENT = 10
"""Added to the nice value of such a thread, on Linux; 19 is the lowest priority."""


def lower_priority() -> None:
    """Lower the priority of this thread, and of those that it starts.

    Only Linux has a nice value for each thread; elsewhere nothing happens, and where the system
    refuses it (a system-call filter) neither: an error here would break a pool of threads.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            os.nice(NICE_INCREMENT)
