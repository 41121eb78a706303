"""The log: one line for each request, delivery and problem, on standard error.

A request or a delivery only puts an entry into a queue; a thread writes what has gathered there,
about twenty times a second. Warnings and errors are written at once. When the reader of the log is
too slow, further entries below a warning are dropped, and a line says how many.

    configure(config)            in the server process, which forks its workers: starts no thread
    configure(config).start()    in each worker
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
from app.observability.log_format import FORMATS, Entry, Format, format_text, mask_secrets

FLUSH_INTERVAL_S = 0.05
QUEUE_MAX_ENTRIES = 20_000

LEVEL_NAMES = {level: name.lower() for name, level in logging.getLevelNamesMapping().items()}
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}
_OFF = logging.CRITICAL + 1


class Log:
    """A log writer with a bounded queue. Writes nothing before `open`; safe for threads and forks.

    The standard library's QueueHandler takes six to nine times the processor time for a line.
    """

    def __init__(self) -> None:
        self._stream: TextIO = sys.stderr
        self._format: Format = format_text
        self._queue: SimpleQueue[Entry | None] | None = None
        self._thread: threading.Thread | None = None
        self._dropped = 0
        self._level = _OFF
        self._lock = lock = threading.Lock()
        # fork only while no thread writes: in the new process no thread would release the lock
        os.register_at_fork(
            before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release
        )

    def open(self, stream: TextIO, line_format: Format, level: int) -> None:
        """Write entries of `level` and above to `stream`, each at once until `start`."""
        self._stream, self._format, self._level = stream, line_format, level

    def start(self) -> None:
        """Start a thread of this process that writes the entries below a warning."""
        self._queue = SimpleQueue()
        self._thread = threading.Thread(target=self._run, args=(self._queue,), name="log")
        self._thread.daemon = True
        self._thread.start()

    def close(self) -> None:
        """Write the queued entries, and ignore all later ones."""
        self._level = _OFF
        if self._queue and self._thread:
            self._queue.put(None)
            self._thread.join()
        self._queue = self._thread = None

    def is_enabled_for(self, level: int) -> bool:
        """Return whether entries of `level` are written."""
        return level >= self._level

    def log(self, level: int, message: str, fields: dict[str, Any]) -> None:
        """Log one entry. `fields` are formatted later, in another thread: do not change them."""
        if level < self._level:
            return
        entry = Entry(time(), LEVEL_NAMES[level], message, fields)
        queue = self._queue
        if queue is None or level >= logging.WARNING:
            self.write([entry])
        elif queue.qsize() < QUEUE_MAX_ENTRIES:
            queue.put(entry)
        else:
            self._dropped += 1

    def write(self, entries: list[Entry]) -> None:
        """Write entries now. A full disk or a closed stream drops them, and raises nothing."""
        text = "".join(map(self._format, entries))
        try:
            with self._lock:
                self._stream.write(text)
                self._stream.flush()
        except (OSError, ValueError):
            self._dropped += len(entries)

    def _run(self, queue: SimpleQueue[Entry | None]) -> None:
        while entry := queue.get():
            sleep(FLUSH_INTERVAL_S)
            entries = [entry]
            while not queue.empty() and (entry := queue.get()):
                entries.append(entry)
            if self._dropped:
                dropped, self._dropped = self._dropped, 0
                message = f"{dropped} lines were dropped: too many at once"
                entries.append(Entry(time(), "warning", message, {}))
            self.write(entries)
            if entry is None:
                return


LOG = Log()
"""The log of this process; `configure` opens it."""


class LogHandler(logging.Handler):
    """Writes records of the standard library's logging to LOG, at once."""

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler."""
        if not LOG.is_enabled_for(record.levelno):
            return
        error = "".join(traceback.format_exception(record.exc_info[1])) if record.exc_info else ""
        request_info = g.get("request_info") if has_request_context() else None
        request_id = request_info.request_id if request_info else None
        entry = Entry(
            record.created,
            record.levelname.lower(),
            mask_secrets(record.getMessage()),
            {"logger": record.name, "request_id": request_id} | trace_fields(trace.current()),
            mask_secrets(error),
        )
        LOG.write([entry])


def trace_fields(span: trace.TraceContext | None) -> dict[str, str]:
    """Return the fields of an entry that name its span; none without a span."""
    return {"trace_id": span.trace_id, "span_id": span.span_id} if span else {}


def configure(config: Config) -> Log:
    """Open this process's log as the settings say; the default is text on a terminal, else JSON."""
    name = config.log or ("text" if sys.stderr.isatty() else "json")
    LOG.open(sys.stderr, FORMATS[name], LEVELS[config.log_level])
    root = logging.getLogger()
    root.handlers = [LogHandler()]
    root.setLevel(LEVELS[config.log_level])
    return LOG
