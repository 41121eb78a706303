"""The circuit breaker: one long outage must not fill failure.json."""

from collections.abc import Iterator
from datetime import timedelta

import freezegun
import pytest
from freezegun.api import FrozenDateTimeFactory

from app.events.dispatch.breaker import LIMIT, LONGEST_PAUSE_S, Breaker
from app.kernel.errors import Unavailable

OUTAGE = Unavailable("the mail server is down")


@pytest.fixture
def clock() -> Iterator[FrozenDateTimeFactory]:
    """Time stands still until the test moves it."""
    with freezegun.freeze_time("2026-11-21T08:00:00Z") as frozen:
        assert isinstance(frozen, FrozenDateTimeFactory)
        yield frozen


@pytest.fixture
def opened(clock: FrozenDateTimeFactory) -> Breaker:
    """A breaker that has just opened."""
    breaker = Breaker()
    for _ in range(LIMIT):
        breaker.record(OUTAGE)
    return breaker


def pass_time(clock: FrozenDateTimeFactory, seconds: float) -> None:
    clock.tick(timedelta(seconds=seconds))


def test_it_opens_after_five_outages(clock: FrozenDateTimeFactory) -> None:
    """Four are bad luck, the fifth is an outage."""
    breaker = Breaker()
    for _ in range(LIMIT - 1):
        breaker.record(OUTAGE)
    assert not breaker.is_open
    breaker.record(OSError("connection refused"))
    assert breaker.is_open
    assert breaker.wait_s() == pytest.approx(1)


def test_a_success_between_starts_the_count_anew(clock: FrozenDateTimeFactory) -> None:
    """A peer that answers now and then is not down."""
    breaker = Breaker()
    for _ in range(3 * LIMIT):
        breaker.record(OUTAGE)
        breaker.record(None)
    assert not breaker.is_open


def test_a_bad_payload_between_does_not(clock: FrozenDateTimeFactory) -> None:
    """An order that can never pass says nothing about the peer, which it may not have reached."""
    breaker = Breaker()
    for _ in range(LIMIT):
        breaker.record(OUTAGE)
        breaker.record(ValueError("no such template"))
    assert breaker.is_open


def test_bad_payloads_alone_never_open_it(clock: FrozenDateTimeFactory) -> None:
    """They go to failure.json, each for itself."""
    breaker = Breaker()
    for _ in range(3 * LIMIT):
        breaker.record(ValueError("bad"))
    assert not breaker.is_open


def test_failures_of_what_began_before_make_the_pause_no_longer(
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
    assert pauses == pytest.approx([1, 2, 4, 8, 16, 32, LONGEST_PAUSE_S, LONGEST_PAUSE_S])


def test_only_one_probe_runs_at_a_time(opened: Breaker, clock: FrozenDateTimeFactory) -> None:
    """While the probe is out, the others wait."""
    pass_time(clock, 1)
    opened.begin_probe()
    assert opened.wait_s() > 0


def test_a_probe_that_got_lost_is_followed_by_another(
    opened: Breaker, clock: FrozenDateTimeFactory
) -> None:
    """A probe without an outcome does not leave the handler alone for ever."""
    pass_time(clock, 1)
    opened.begin_probe()
    pass_time(clock, 1)
    assert opened.wait_s() == 0


def test_one_that_is_new_waits_a_second_at_most(
    opened: Breaker, clock: FrozenDateTimeFactory
) -> None:
    """However long the pause has become by the probes of those that have failed."""
    for _ in range(6):
        pass_time(clock, opened.wait_s())
        opened.begin_probe()
        opened.record(OUTAGE)
    assert opened.wait_s() == pytest.approx(LONGEST_PAUSE_S)
    assert opened.wait_s(is_new=True) == pytest.approx(1)


def test_a_probe_that_never_asked_is_followed_by_another_at_once(
    opened: Breaker, clock: FrozenDateTimeFactory
) -> None:
    """It is no news of the peer, neither good nor bad."""
    pass_time(clock, 1)
    opened.begin_probe()
    assert opened.wait_s() > 0
    opened.end_probe()
    assert opened.is_open
    assert opened.wait_s() == 0


@pytest.mark.parametrize("outcome", [None, ValueError("the peer is there, the payload is bad")])
def test_a_probe_that_is_no_outage_closes_it(
    opened: Breaker, clock: FrozenDateTimeFactory, outcome: Exception | None
) -> None:
    """The peer is back: everything that waited may go at once."""
    pass_time(clock, 1)
    opened.begin_probe()
    opened.record(outcome)
    assert not opened.is_open
    assert opened.wait_s() == 0


def test_after_closing_the_next_outage_begins_with_a_second(
    opened: Breaker, clock: FrozenDateTimeFactory
) -> None:
    """The long pauses of an outage that is over are forgotten."""
    for _ in range(5):
        pass_time(clock, opened.wait_s())
        opened.begin_probe()
        opened.record(OUTAGE)
    opened.record(None)
    for _ in range(LIMIT):
        opened.record(OUTAGE)
    assert opened.wait_s() == pytest.approx(1)
