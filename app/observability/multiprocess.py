"""How the processes of one server share their figures: the files of a folder, one of each process.

prometheus-client settles when it is imported whether figures are shared, and the `flask serve`
command has imported it by then, so it is told again; the workers are forked after that.
"""

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import Metric, multiprocess, values

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable by which prometheus-client knows the folder. Set it for another server than ours."""

_PREFIX = "daybook-figures-"
_IN_MEMORY = Path("/dev/shm")  # noqa: S108  (mkdtemp makes our own)  # nosec B108


@contextmanager
def shared_figures() -> Iterator[None]:
    """Have the processes that are forked within share their figures, beginning at zero."""
    place = _place()
    _remove_left(place)
    folder = tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=place)
    os.environ[FOLDER] = folder
    values.ValueClass = values.get_value_class()  # type: ignore[no-untyped-call]  # has no types
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def forget(pid: int) -> None:
    """A worker has died: its gauges go, what it has counted stays."""
    multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]  # has no types


def files_of_all(pattern: str) -> list[str] | None:
    """The files of all processes whose names match; None when this process is alone."""
    folder = os.environ.get(FOLDER)
    return [str(file) for file in Path(folder).glob(f"{pattern}.db")] if folder else None


def merged(files: list[str]) -> Iterable[Metric]:
    """The figures in `files`, added up."""
    metrics: Iterable[Metric] = multiprocess.MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]  # has no types
    return metrics


def _place() -> Path:
    is_there = _IN_MEMORY.is_dir() and os.access(_IN_MEMORY, os.W_OK)
    return _IN_MEMORY if is_there else Path(tempfile.gettempdir())


def _remove_left(place: Path) -> None:
    """Remove the folders of servers that were killed: they take up memory."""
    for folder in place.glob(f"{_PREFIX}*"):
        pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists() and _is_ours(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_ours(folder: Path) -> bool:
    return folder.lstat().st_uid == os.getuid()
