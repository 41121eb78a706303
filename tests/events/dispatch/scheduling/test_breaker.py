"""The circuit breaker: one long outage must not fill failure.json."""

from datetime import timedelta

import pytest
from freezegun.api import FrozenDateTimeFactory

from app.events.dispatch.scheduling.breaker import MAX_PAUSE_S, OUTAGES_TO_OPEN, Breaker
from app.kernel.errors import Unavailable

OUTAGE = Unavailable("the mail server is down")


@pytest.fixture
def opened(clock: FrozenDateTimeFactory) -> Breaker:
    """A breaker that has just opened."""
    breaker = Breaker()
    for _ in range(OUTAGES_TO_OPEN):
        breaker.record(OUTAGE)
    return breaker


def pass_time(clock: FrozenDateTimeFactory, seconds: float) -> None:
    clock.tick(timedelta(seconds=seconds))


def test_it_opens_after_five_outages(clock: FrozenDateTimeFactory) -> None:
    """Four outages in a row leave it closed, the fifth opens it."""
    breaker = Breaker()
    for _ in range(OUTAGES_TO_OPEN - 1):
        breaker.record(OUTAGE)
    assert not breaker.is_open
    breaker.record(OSError("connection refused"))
    assert breaker.is_open
    assert breaker.wait_s() == pytest.approx(1)


def test_a_success_resets_the_count(clock: FrozenDateTimeFactory) -> None:
    """A peer that answers now and then is not down."""
    breaker = Breaker()
    for _ in range(3 * OUTAGES_TO_OPEN):
        breaker.record(OUTAGE)
        breaker.record(None)
    assert not breaker.is_open


def test_a_permanent_error_does_not_reset_the_count(clock: FrozenDateTimeFactory) -> None:
    """It says nothing about the peer, which the handler may not have called."""
    breaker = Breaker()
    for _ in range(OUTAGES_TO_OPEN):
        breaker.record(OUTAGE)
        breaker.record(ValueError("no such template"))
    assert breaker.is_open


def test_permanent_errors_never_open_it(clock: FrozenDateTimeFactory) -> None:
    """They go to failure.json one by one."""
    breaker = Breaker()
    for _ in range(3 * OUTAGES_TO_OPEN):
        breaker.record(ValueError("bad"))
    assert not breaker.is_open


def test_failures_of_deliveries_in_flight_do_not_extend_the_pause(
    opened: Breaker, clock: FrozenDateTimeFactory
) -> None:
    """Sixteen deliveries that fail together are one outage, with a pause of one second."""
    for _ in range(11):
        opened.record(OUTAGE)
    assert opened.wait_s() == pytest.approx(1)


def test_each_failed_probe_doubles_the_pause_up_to_a_minute(
    opened: Breaker, clock: FrozenDateTimeFactory
) -> None:
    """1 s, 2 s, 4 s, … 60 s, 60 s."""
    pauses = []
    for _ in range(8):
        pauses.append(opened.wait_s())
        pass_time(clock, opened.wait_s())
        assert opened.wait_s() == 0
        opened.begin_probe()
        opened.record(OUTAGE)
    assert pauses == pytest.approx([1, 2, 4, 8, 16, 32, MAX_PAUSE_S, MAX_PAUSE_S])


def test_only_one_probe_runs_at_a_time(opened: Breaker, clock: FrozenDateTimeFactory) -> None:
    """The other deliveries wait until the probe has ended."""
    pass_time(clock, 1)
    opened.begin_probe()
    assert opened.wait_s() > 0


def test_a_probe_without_an_outcome_is_followed_by_another(
    opened: Breaker, clock: FrozenDateTimeFactory
) -> None:
    """A lost probe does not block the handler for ever."""
    pass_time(clock, 1)
    opened.begin_probe()
    pass_time(clock, 1)
    assert opened.wait_s() == 0


def test_an_untried_delivery_waits_a_second_at_most(
    opened: Breaker, clock: FrozenDateTimeFactory
) -> None:
    """Failed probes lengthen the pause only for deliveries that have failed before."""
    for _ in range(6):
        pass_time(clock, opened.wait_s())
        opened.begin_probe()
        opened.record(OUTAGE)
    assert opened.wait_s() == pytest.approx(MAX_PAUSE_S)
    assert opened.wait_s(is_untried=True) == pytest.approx(1)


def test_a_cancelled_probe_is_followed_by_another_at_once(
    opened: Breaker, clock: FrozenDateTimeFactory
) -> None:
    """It did not call the peer, so it shows neither recovery nor outage."""
    pass_time(clock, 1)
    opened.begin_probe()
    assert opened.wait_s() > 0
    opened.cancel_probe()
    assert opened.is_open
    assert opened.wait_s() == 0


@pytest.mark.parametrize("outcome", [None, ValueError("the peer is there, the payload is bad")])
def test_a_probe_that_reaches_its_peer_closes_it(
    opened: Breaker, clock: FrozenDateTimeFactory, outcome: Exception | None
) -> None:
    """The peer is back: everything that was held may run at once."""
    pass_time(clock, 1)
    opened.begin_probe()
    opened.record(outcome)
    assert not opened.is_open
    assert opened.wait_s() == 0


def test_the_pause_is_reset_when_it_closes(opened: Breaker, clock: FrozenDateTimeFactory) -> None:
    """The pause starts from one second after each recovery."""
    for _ in range(5):
        pass_time(clock, opened.wait_s())
        opened.begin_probe()
        opened.record(OUTAGE)
    opened.record(None)
    for _ in range(OUTAGES_TO_OPEN):
        opened.record(OUTAGE)
    assert opened.wait_s() == pytest.approx(1)
