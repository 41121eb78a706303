"""A signal at any moment wakes the main thread, which does regular work while it waits."""

import signal
import subprocess
import sys
from pathlib import Path
from time import sleep

SIGNALS = 20_000

WAITER = """
import signal
from app.server.signals import SelfPipe

wakeup = SelfPipe(lambda: None, 0.001)
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

TICKER = """
from app.server.signals import SelfPipe

ticks = []

def tick():
    ticks.append(len(ticks))
    if len(ticks) == 3:
        wakeup.set()

wakeup = SelfPipe(tick, 0.001)
wakeup.wait()
print(ticks)
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


def test_regular_work_is_done_while_nothing_happens() -> None:
    """The function is called at each interval, and may end the wait."""
    words = [sys.executable, "-c", TICKER]
    done = subprocess.run(words, cwd=Path(__file__).parents[2], capture_output=True, check=True)
    assert done.stdout == b"[0, 1, 2]\n"
