"""Signal handling that also works during fork and start-up.

Python runs a signal handler in the main thread, between two bytecodes. A handler must therefore
take no lock that the main thread may hold, and a main thread that is about to block has to be woken
by a file descriptor (signal.set_wakeup_fd).
"""

import os
import select
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

_READ_BYTES = 1 << 16


class SelfPipe:
    """A self-pipe that replaces the threading.Event on which Granian's main thread waits.

    A signal handler that sets an Event takes the Event's lock, and deadlocks when the main thread
    held that lock. A pipe has no lock. Each `set`, and each signal that has a handler, ends one
    `wait`, now or later; the caller then checks what there is to do. Create it in the main thread.

    While `wait` blocks, it calls `tick` at each interval.
    """

    def __init__(self, tick: Callable[[], None], tick_interval_s: float) -> None:
        self._tick = tick
        self._tick_interval_s = tick_interval_s
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)

    def set(self) -> None:
        """End a `wait`. Safe in a signal handler and in any thread."""
        with suppress(BlockingIOError):  # the pipe is full: the next wait returns at once anyway
            os.write(self._writer, b"\0")

    def clear(self) -> None:
        """Do nothing: `wait` has consumed what ended it, and later bytes must end the next one."""

    def wait(self) -> None:
        """Block until there was a `set` or a signal since the last call."""
        while not select.select([self._reader], [], [], self._tick_interval_s)[0]:
            self._tick()
        os.read(self._reader, _READ_BYTES)


def install_signal_handlers() -> None:
    """Make every process forked from now on end at SIGTERM, and ignore SIGINT and SIGHUP.

    A forked worker inherits the server's handlers, which do nothing in it. Granian installs its own
    ones only after the store was opened; a stop in between would be lost, and the worker killed ten
    seconds later. A terminal sends SIGINT and SIGHUP to the whole process group, but only the
    server handles them: it turns Ctrl-C into a SIGTERM for each worker, and a Granian worker that
    gets both signals may never end.
    """
    term = {signal.SIGTERM}

    def reset_in_child() -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        signal.pthread_sigmask(signal.SIG_UNBLOCK, term)

    os.register_at_fork(
        before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, term),
        after_in_parent=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, term),
        after_in_child=reset_in_child,
    )


def stop_on_sigterm(stopping: threading.Event) -> None:
    """Set `stopping` as soon as this worker gets SIGTERM. Call it in the main thread.

    Granian waits for all responses under way before it stops, and an event stream would last until
    the worker is killed. Granian's signal handlers stay in place; a thread reads the wake-up file
    descriptor beside them. The thread also makes sure that these handlers run: the kernel may
    deliver a signal to any thread, while Python runs handlers in the main thread only, which
    sleeps; about one stop in a hundred was lost. A second signal (SIGURG) wakes the main thread.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.signal(signal.SIGURG, lambda *_: None)
    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    main = threading.get_ident()

    def listen(_writer: socket.socket) -> None:
        while received := reader.recv(1):  # `_writer` keeps the descriptor open for later signals
            if received[0] == signal.SIGTERM:
                stopping.set()
                signal.pthread_kill(main, signal.SIGURG)

    threading.Thread(target=listen, args=(writer,), name="stop", daemon=True).start()
