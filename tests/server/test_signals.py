"""A signal at any moment wakes the main thread."""

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
received = []

def handle(signum, frame):
    if signum == signal.SIGTERM:
        received.append(signum)
    wakeup.set()

signal.signal(signal.SIGUSR1, handle)
signal.signal(signal.SIGTERM, handle)
print("ready", flush=True)
while not received:
    wakeup.wait()
    wakeup.clear()
print("ended")
"""


def test_a_signal_at_any_moment_ends_the_wait() -> None:
    """With an Event in place of the SelfPipe, the waiter deadlocks within some thousand signals."""
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
                sleep(turn % 20 * 1e-6)  # spreads the signals over the steps of the loop
            waiter.terminate()
            assert waiter.communicate(timeout=60)[0] == "ended\n"
        finally:
            waiter.kill()
