"""Facts that results depend on besides the code: the machine, its disk, installed versions."""

import os
import platform
import sqlite3
import statistics
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

SYNCS = 200
MIN_DISK_SYNC_MS = 0.01
"""Below this time of a sync the folder must be in memory, where durability costs nothing."""


class NotADisk(Exception):
    """The folder is in memory, so no run in it measures the cost of a durable order."""


def facts(folder: Path | None) -> dict[str, str]:
    """Return the facts by name, to print above the results.

    `folder` is where the services keep their data (None: the system's folder for temporary
    files). Raises NotADisk when writing there is too fast to be durable.
    """
    sync_ms = measure_sync_ms(folder)
    if sync_ms < MIN_DISK_SYNC_MS:
        raise NotADisk(
            f"one fdatasync takes {sync_ms:.4f} ms, so this folder is in memory; "
            "name one on a disk with --folder"
        )
    packages = ("flask", "granian", "SQLAlchemy", "marshmallow")
    versions = [f"{package} {version(package)}" for package in packages]
    return {
        "Date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "Machine": f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        "One 500-byte append with fdatasync": f"{sync_ms:.2f} ms (median of {SYNCS})",
        "Python": platform.python_version(),
        "Versions": ", ".join([*versions, f"SQLite {sqlite3.sqlite_version}"]),
    }


def measure_sync_ms(folder: Path | None) -> float:
    """Return the median time of one 500-byte append and its fdatasync, one after the other."""
    took: list[float] = []
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(SYNCS):
            began_at = time.perf_counter()
            file.write(b"x" * 500)
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - began_at)
    return statistics.median(took) * 1000


def private_mib(pid: int) -> float:
    """Return the largest private (anonymous) memory of any child process of `pid`, in MiB."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    return max(_anonymous_kib(child) for child in children) / 1024


def _anonymous_kib(pid: str) -> int:
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if "RssAnon" in line)
