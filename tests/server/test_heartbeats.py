"""A process that misses many heartbeats in a row hangs; any other one does not."""

from app.server.heartbeats import HEARTBEATS_MISSED_MAX, Heartbeats


def test_a_process_that_counts_no_more_hangs() -> None:
    """It is found after so many checks, and again after as many more."""
    heartbeats = Heartbeats(2)
    found = {}
    for number in range(1, 2 * HEARTBEATS_MISSED_MAX + 1):
        heartbeats.beat(0)
        if hung := heartbeats.check():
            found[number] = hung
    assert found == {HEARTBEATS_MISSED_MAX: [1], 2 * HEARTBEATS_MISSED_MAX: [1]}


def test_a_process_that_counts_rarely_does_not_hang() -> None:
    """One heartbeat ends the count of those missed, also when all 256 counts were used."""
    heartbeats = Heartbeats(1)
    for _ in range(300):
        heartbeats.beat(0)
        for _ in range(HEARTBEATS_MISSED_MAX - 1):
            assert heartbeats.check() == []
