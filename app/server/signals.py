"""How the processes of a server hear signals: at every moment of their lives, and none unheard.

Python runs a handler in the main thread, between two steps of whatever that does. So a handler must
take no lock that the main thread may hold, and a main thread that falls asleep at this very moment
has to be woken, which signal.set_wakeup_fd is for.
"""

import os
import signal
import socket
import threading
from contextlib import suppress

_MANY_BYTES = 1 << 16


class SelfPipe:
    """What the main thread waits for, in place of a threading.Event: a pipe, which has no lock.

    The handler that sets an Event waits for the Event's lock, and for ever when the main thread had
    it at that moment. Each `set` ends one `wait`, now or later, and so does any signal that has a
    handler: the caller looks what there is to do. Make it in the main thread.
    """

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)

    def set(self) -> None:
        """End a `wait`; safe in a handler of signals, and in any thread."""
        with suppress(BlockingIOError):  # full: the next wait ends at once in any case
            os.write(self._writer, b"\0")

    def clear(self) -> None:
        """Nothing: `wait` has forgotten what ended it, and what came since is still to be seen."""

    def wait(self) -> None:
        """Return as soon as there was a `set` since the last time."""
        os.read(self._reader, _MANY_BYTES)


def install_signal_handlers() -> None:
    """Have SIGTERM end a worker from its first moment on, and SIGINT and SIGHUP never.

    A worker is forked with the server's handlers, which do nothing in it until Granian sets others,
    after the store was opened: a stop in between was lost, and the worker killed ten seconds later.
    What a terminal sends reaches the workers too, and is for the server. It passes Ctrl-C on as
    SIGTERM: a worker of Granian that gets both may never end.
    """
    term = {signal.SIGTERM}

    def begin() -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        signal.pthread_sigmask(signal.SIG_UNBLOCK, term)

    os.register_at_fork(
        before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, term),
        after_in_parent=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, term),
        after_in_child=begin,
    )


def stop_on_sigterm(stopping: threading.Event) -> None:
    """Have `stopping` set as soon as this worker is told to stop. Call it in the main thread.

    Granian first waits for all answers that are under way, and a live stream would be one until
    the worker is killed. Its handlers of signals stay: this only listens beside them, and sees to
    it that they run. The system may give a signal to any thread, and Python's handlers wait for
    the main one, which sleeps: about one stop in a hundred went unheard. Another signal wakes it.
    """
    told, telling = socket.socketpair()
    telling.setblocking(False)
    signal.signal(signal.SIGURG, lambda *_: None)
    signal.set_wakeup_fd(telling.fileno(), warn_on_full_buffer=False)
    main = threading.get_ident()

    def listen(_kept_open: socket.socket) -> None:
        while said := told.recv(1):  # a second signal must still find it open
            if said[0] == signal.SIGTERM:
                stopping.set()
                signal.pthread_kill(main, signal.SIGURG)

    threading.Thread(target=listen, args=(telling,), name="stop", daemon=True).start()
