"""Back-pressure: deliveries pause in a burst of requests, and only then."""

from app.events.dispatch.backpressure import (
    BURST_MIN_EVENTS,
    DRAIN_ITERATIONS,
    MAX_OVERDUE_S,
    PAUSE_S,
    Throttle,
)

SLOW_S = 0.003


def pauses(
    throttle: Throttle,
    *lock_waits_s: float,
    foreign_events: int = BURST_MIN_EVENTS,
    overdue_s: float = 0.0,
) -> list[float]:
    """The pause after each of these waits for the commit lock, in seconds."""
    return [throttle.pause_s(foreign_events, wait_s, overdue_s) for wait_s in lock_waits_s]


def test_short_lock_waits_cause_no_pause() -> None:
    """A wait of 2 ms is not slow, however often it occurs."""
    assert pauses(Throttle(), *[0.002] * 50) == [0.0] * 50


def test_a_few_slow_lock_waits_cause_no_pause() -> None:
    """One slow lock in three can be the disk."""
    assert pauses(Throttle(), *[0.0002, 0.0002, 0.5] * 20) == [0.0] * 60


def test_it_pauses_while_most_recent_lock_waits_are_slow() -> None:
    """It stops pausing once most recent waits are short again."""
    throttle = Throttle()
    assert pauses(throttle, *[SLOW_S] * 60) == [0.0] * 3 + [PAUSE_S] * 57
    assert pauses(throttle, *[0.0] * 60) == [PAUSE_S] * 3 + [0.0] * 57


def test_few_foreign_events_after_a_pause_start_the_draining_phase() -> None:
    """Without a burst the backlog is drained without pauses; afterwards slow locks count again."""
    throttle = Throttle()
    assert pauses(throttle, *[SLOW_S] * 4)[-1] == PAUSE_S
    waits = [SLOW_S] * DRAIN_ITERATIONS
    after = pauses(throttle, *waits, foreign_events=BURST_MIN_EVENTS - 1)
    assert after == [0.0] * (DRAIN_ITERATIONS - 1) + [PAUSE_S]


def test_the_draining_phase_ends_when_nothing_is_left() -> None:
    """A burst that comes after an idle iteration makes it pause as usual."""
    throttle = Throttle()
    pauses(throttle, *[SLOW_S] * 4)
    assert pauses(throttle, *[SLOW_S] * 9, foreign_events=1) == [0.0] * 9
    assert pauses(throttle, *[SLOW_S] * 9, foreign_events=0, overdue_s=1.0) == [0.0] * 9
    assert pauses(throttle, SLOW_S, foreign_events=0) == [0.0]
    assert pauses(throttle, SLOW_S) == [PAUSE_S]


def test_an_idle_loop_does_not_pause() -> None:
    """A pause would delay the next event."""
    throttle = Throttle()
    pauses(throttle, *[SLOW_S] * 4)
    assert pauses(throttle, *[SLOW_S] * 9, foreign_events=0) == [0.0] * 9


def test_overdue_deliveries_end_the_pauses_until_nothing_is_left() -> None:
    """If it drained only the overdue ones, the rest would stay as late."""
    throttle = Throttle()
    assert pauses(throttle, *[SLOW_S] * 9, overdue_s=MAX_OVERDUE_S)[-1] == PAUSE_S
    assert pauses(throttle, SLOW_S, overdue_s=MAX_OVERDUE_S + 1) == [0.0]
    assert pauses(throttle, SLOW_S, overdue_s=1.0) == [0.0]
    assert pauses(throttle, SLOW_S, SLOW_S, overdue_s=0.0) == [PAUSE_S] * 2
