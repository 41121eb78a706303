"""The log: lines of what was asked, what was delivered and what went wrong, on standard error.

A request and a delivery only put a tuple into a queue; a thread writes what has gathered there,
some twenty times a second. What went wrong (a warning, an error) is written at once. When whoever
reads the lines is too slow, lines of the first kind are dropped, and a line says how many.

    begin(config)            in the server, which forks its workers: no thread yet
    begin(config).start()    in each worker
"""

import logging
import os
import sys
import threading
import traceback
from queue import SimpleQueue
from time import sleep, time
from typing import Any, TextIO

from flask import g, has_request_context

from app.config import Config
from app.kernel import trace
from app.observability.log_format import FORMS, Entry, Form, as_text, without_secrets

GATHER_S = 0.05
MOST_WAITING = 20_000

NAMES = {level: name.lower() for name, level in logging.getLevelNamesMapping().items()}
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}


class Log:
    """Where lines go. Nothing is written before `open`; `tell` may be called from any thread."""

    def __init__(self) -> None:
        self._stream: TextIO = sys.stderr
        self._form: Form = as_text
        self._queue: SimpleQueue[Entry | None] | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._dropped = 0
        self._level = logging.CRITICAL + 1

    def open(self, stream: TextIO, form: Form, level: int) -> None:
        """Write lines of `level` and above to `stream`, each at once until `start`."""
        self._stream, self._form, self._level = stream, form, level

    def start(self) -> None:
        """From now on have a thread of this process write what is not urgent."""
        self._queue = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write what is left, and nothing more."""
        self._level = logging.CRITICAL + 1
        if self._queue and self._thread:
            self._queue.put(None)
            self._thread.join()
        self._queue = self._thread = None

    def wants(self, level: int) -> bool:
        """Whether lines of `level` are written at all."""
        return level >= self._level

    def tell(self, level: int, message: str, details: dict[str, Any]) -> None:
        """Log one line; `details` are written later, so leave them as they are."""
        if level < self._level:
            return
        entry = Entry(time(), NAMES[level], message, details)
        queue = self._queue
        if queue is None or level >= logging.WARNING:
            self.write([entry])
        elif queue.qsize() < MOST_WAITING:
            queue.put(entry)
        else:
            self._dropped += 1

    def write(self, entries: list[Entry]) -> None:
        """Write lines now."""
        text = "".join(map(self._form, entries))
        try:
            with self._lock:
                self._stream.write(text)
                self._stream.flush()
        except (OSError, ValueError):  # a full disk, or nobody reads any more: no order fails of it
            self._dropped += len(entries)

    def _run(self) -> None:
        queue = self._queue
        while queue and (entry := queue.get()):
            sleep(GATHER_S)
            entries = [entry]
            is_last = False
            while not queue.empty() and not is_last:
                following = queue.get()
                is_last = following is None
                if following:
                    entries.append(following)
            self.write(entries + self._gap())
            if is_last:
                return

    def _gap(self) -> list[Entry]:
        if not self._dropped:
            return []
        dropped, self._dropped = self._dropped, 0
        return [Entry(time(), "warning", f"{dropped} lines were dropped: too many at once", {})]

    def keep_over_forks(self) -> None:
        """Fork only when no thread writes: in the new process nobody would finish that."""
        lock = self._lock
        os.register_at_fork(
            before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release
        )


LOG = Log()
"""The log of this process; silent until somebody opens it."""
LOG.keep_over_forks()


class LogHandler(logging.Handler):
    """Puts into a log what any part of the program says by the standard library's logging."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler."""
        if not self._log.wants(record.levelno):
            return
        trouble = "".join(traceback.format_exception(record.exc_info[1])) if record.exc_info else ""
        asked = g.get("asked") if has_request_context() else None
        request_id = asked.request_id if asked else None
        entry = Entry(
            record.created,
            record.levelname.lower(),
            without_secrets(record.getMessage()),
            {"logger": record.name, "request_id": request_id} | ids_of(trace.current()),
            without_secrets(trouble),
        )
        self._log.write([entry])


def ids_of(span: trace.TraceContext | None) -> dict[str, str]:
    """What names a span in a line."""
    return {"trace_id": span.trace_id, "span_id": span.span_id} if span else {}


def begin(config: Config) -> Log:
    """Have this process log as the settings say; text for a terminal unless they say otherwise."""
    form = config.log or ("text" if sys.stderr.isatty() else "json")
    LOG.open(sys.stderr, FORMS[form], LEVELS[config.log_level])
    root = logging.getLogger()
    root.handlers = [LogHandler(LOG)]
    root.setLevel(LEVELS[config.log_level])
    return LOG
