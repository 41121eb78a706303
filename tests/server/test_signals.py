"""A signal at any moment of the main thread ends its waiting."""

import signal
import subprocess
import sys
from pathlib import Path
from time import sleep

SIGNALS = 20_000

WAITER = """
import signal
from app.server.signals import SelfPipe

wakeup = SelfPipe()
told = []

def tell(signum, frame):
    if signum == signal.SIGTERM:
        told.append(signum)
    wakeup.set()

signal.signal(signal.SIGUSR1, tell)
signal.signal(signal.SIGTERM, tell)
print("ready", flush=True)
while not told:
    wakeup.wait()
    wakeup.clear()
print("ended")
"""


def test_a_signal_at_any_moment_is_heard() -> None:
    """With an Event for a SelfPipe the waiter stands still for ever, within some thousand
    signals."""
    with subprocess.Popen(
        [sys.executable, "-c", WAITER],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    ) as waiter:
        try:
            assert waiter.stdout
            assert waiter.stdout.readline() == "ready\n"
            for turn in range(SIGNALS):
                waiter.send_signal(signal.SIGUSR1)
                sleep(turn % 20 * 1e-6)
            waiter.terminate()
            assert waiter.communicate(timeout=60)[0] == "ended\n"
        finally:
            waiter.kill()
