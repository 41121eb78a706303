"""Shares metrics between the processes of one server: a folder with files of each process.

prometheus-client decides at its import whether metrics are shared. The `flask serve` command has
imported it by then, so `shared_metrics` makes it decide again before the workers are forked.
"""

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from prometheus_client import Metric, multiprocess, values

from app.system.disk import size_bytes

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the folder to prometheus-client; another WSGI server may set it."""

_PREFIX = "daybook-metrics-"
_IN_MEMORY = Path("/dev/shm")  # noqa: S108  (mkdtemp makes our own)  # nosec B108


@contextmanager
def shared_metrics() -> Iterator[None]:
    """Make the processes forked inside the block share their metrics, which start at zero."""
    has_memory = _IN_MEMORY.is_dir() and os.access(_IN_MEMORY, os.W_OK)
    parent = _IN_MEMORY if has_memory else Path(tempfile.gettempdir())
    _remove_abandoned(parent)
    folder = tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=parent)
    os.environ[FOLDER] = folder
    values.ValueClass = values.get_value_class()  # type: ignore[no-untyped-call]  # has no types
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def mark_worker_dead(pid: int) -> None:
    """Remove the gauges of a worker that has died; its counters stay in the sums."""
    multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]  # has no types


def metric_files(pattern: str) -> list[str] | None:
    """Return the files of all processes that match `pattern`; None when metrics are not shared.

    A process creates its files empty, and prometheus-client cannot read an empty one
    (prometheus/client_python#1199): a process that is killed then would end all scrapes.
    """
    folder = os.environ.get(FOLDER)
    if folder is None:
        return None
    return [str(file) for file in Path(folder).glob(f"{pattern}.db") if size_bytes(file)]


def merge(files: list[str]) -> Iterable[Metric]:
    """Return the metrics in `files`, summed over the processes."""
    metrics: Iterable[Metric] = multiprocess.MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]  # has no types
    return metrics


def _remove_abandoned(parent: Path) -> None:
    """Remove the folders of this user's servers that were killed: they take up memory."""
    for folder in parent.glob(f"{_PREFIX}*"):
        pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
        is_dead = pid.isdigit() and not Path(f"/proc/{pid}").exists()
        with suppress(FileNotFoundError):  # another server may remove it at the same time
            if is_dead and folder.lstat().st_uid == os.getuid():
                shutil.rmtree(folder, ignore_errors=True)
