"""Heartbeats of the worker processes, by which the server finds one that hangs.

Each worker counts up in memory that it shares with the server. One that is stopped (SIGSTOP), or
whose Python interpreter does not run, does not count. One that waits, for the disk, a peer or a
client, does, and so does one that computes.

The server compares no times: it looks at regular intervals, and takes a worker for hung when it has
found the same count HEARTBEATS_MISSED_MAX times in a row. While the machine sleeps or the whole
process group is stopped, the server does not look either; and no clock can jump.
"""

import mmap

HEARTBEAT_INTERVAL_S = 0.5
HEARTBEATS_MISSED_MAX = 20

_COUNTS = 256
"""A count is a byte."""


class Heartbeats:
    """The heartbeats of so many processes, which are forked after this was created."""

    def __init__(self, processes: int) -> None:
        self._counts = mmap.mmap(-1, processes)
        self._seen = bytes(processes)
        self._missed = [0] * processes

    def beat(self, process: int) -> None:
        """Count one heartbeat of this process, by its number from 0."""
        self._counts[process] = (self._counts[process] + 1) % _COUNTS

    def check(self) -> list[int]:
        """Return the processes that have just missed HEARTBEATS_MISSED_MAX heartbeats in a row.

        The server calls it every HEARTBEAT_INTERVAL_S. Each is returned again after as many more.
        """
        before, self._seen = self._seen, self._counts[:]
        hung = []
        for process, count in enumerate(self._seen):
            self._missed[process] = self._missed[process] + 1 if count == before[process] else 0
            if self._missed[process] == HEARTBEATS_MISSED_MAX:
                self._missed[process] = 0
                hung.append(process)
        return hung
