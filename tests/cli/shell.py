"""Commands as processes of their own."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from app.config import PREFIX

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0


def start(data: Path, *words: str, **settings: str) -> subprocess.Popen[str]:
    """Start `flask` with these words on the data folder; `settings` are DAYBOOK_ variables."""
    inherited = {name: text for name, text in os.environ.items() if not name.startswith(PREFIX)}
    own = {f"{PREFIX}{name}": text for name, text in {"DATA": str(data), **settings}.items()}
    return subprocess.Popen(
        [sys.executable, "-m", "flask", *words],
        cwd=ROOT,
        env=inherited | own,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that a test can send a signal as a terminal does, to all of it
    )


def finished(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    try:
        out, err = process.communicate(timeout=PATIENCE_S)
    finally:
        end(process)
    return process.returncode, out, err


def end(process: subprocess.Popen[str]) -> None:
    """kill -9 to the process and all it has started; harmless when they are gone."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def run(data: Path, *words: str, **settings: str) -> tuple[int, str, str]:
    """Start, and wait for the end."""
    return finished(start(data, *words, **settings))
