"""One handler's desk: what is ready, what is due later, and what an outage holds."""

from collections.abc import Iterator
from datetime import timedelta

import freezegun
import pytest
from freezegun.api import FrozenDateTimeFactory

from app.events.dispatch.breaker import LIMIT
from app.events.dispatch.partitions import Partition
from app.events.dispatch.ready_queue import MOST_AT_ONCE, ReadyQueue
from app.kernel.errors import Unavailable

ONE, TWO, THREE = (Partition(f"order-{n}", "billing") for n in (1, 2, 3))


@pytest.fixture
def clock() -> Iterator[FrozenDateTimeFactory]:
    """Time stands still until the test moves it."""
    with freezegun.freeze_time("2026-11-21T08:00:00Z") as frozen:
        assert isinstance(frozen, FrozenDateTimeFactory)
        yield frozen


@pytest.fixture
def desk(clock: FrozenDateTimeFactory) -> ReadyQueue:
    return ReadyQueue()


def open_breaker(desk: ReadyQueue) -> None:
    for _ in range(LIMIT):
        desk.breaker.record(Unavailable("down"))


def test_lanes_are_taken_first_come_first_served(desk: ReadyQueue) -> None:
    """Nobody is passed over."""
    desk.put(TWO)
    desk.put(ONE)
    assert desk.take() == [TWO, ONE]
    assert desk.take() == []


def test_an_empty_desk_waits_for_nothing(desk: ReadyQueue) -> None:
    """None means: only news can bring work."""
    assert desk.wait_s() is None


def test_a_lane_put_off_is_taken_when_its_time_has_come(
    desk: ReadyQueue, clock: FrozenDateTimeFactory
) -> None:
    """A retry does not run before it is due, and the desk knows when that is."""
    desk.put(ONE, wait_s=3)
    assert desk.take() == []
    assert desk.wait_s() == pytest.approx(3)
    clock.tick(timedelta(seconds=3))
    assert desk.wait_s() == 0
    assert desk.take() == [ONE]


def test_no_more_are_taken_than_fit_into_a_transaction(desk: ReadyQueue) -> None:
    """A handler with a backlog leaves room for the others, and for those who place orders."""
    for n in range(2 * MOST_AT_ONCE):
        desk.put(Partition(f"order-{n}", "billing"))
    assert len(desk.take()) == MOST_AT_ONCE


def test_an_open_breaker_holds_all_lanes(desk: ReadyQueue) -> None:
    """While the peer is down nothing runs, and nothing is lost."""
    desk.put(ONE)
    open_breaker(desk)
    assert desk.take() == []
    assert desk.wait_s() == pytest.approx(1)


def test_an_open_breaker_lets_one_lane_probe(
    desk: ReadyQueue, clock: FrozenDateTimeFactory
) -> None:
    """After the pause one delivery looks whether the peer is back."""
    for partition in (ONE, TWO, THREE):
        desk.put(partition)
    open_breaker(desk)
    clock.tick(timedelta(seconds=1))
    assert desk.take() == [ONE]
    assert desk.take() == []


def test_a_lane_that_is_new_probes_before_those_that_failed(
    desk: ReadyQueue, clock: FrozenDateTimeFactory
) -> None:
    """One order that finds its peer down, whatever happens, holds nobody up for long."""
    open_breaker(desk)
    for _ in range(6):
        desk.put(ONE, has_failed=True)
        clock.tick(timedelta(seconds=desk.wait_s() or 0))
        assert desk.take() == [ONE]
        desk.breaker.record(Unavailable("down"))
    desk.put(ONE, has_failed=True)
    desk.put(TWO)
    assert desk.wait_s() == pytest.approx(1)
    clock.tick(timedelta(seconds=1))
    assert desk.take() == [TWO]


def test_what_failed_before_goes_before_what_is_new(
    desk: ReadyQueue, clock: FrozenDateTimeFactory
) -> None:
    """While there is no outage; a retry that is due as well."""
    desk.put(TWO)
    desk.put(ONE, wait_s=1, has_failed=True)
    clock.tick(timedelta(seconds=1))
    assert desk.take() == [ONE, TWO]


def test_all_lanes_go_as_soon_as_a_probe_succeeds(
    desk: ReadyQueue, clock: FrozenDateTimeFactory
) -> None:
    """Nobody waits for the rest of a long pause once the peer is known to be back."""
    for partition in (ONE, TWO, THREE):
        desk.put(partition)
    open_breaker(desk)
    clock.tick(timedelta(seconds=1))
    desk.take()
    desk.breaker.record(None)
    assert desk.wait_s() == 0
    assert desk.take() == [TWO, THREE]


def test_the_desk_knows_how_long_the_first_lane_could_have_run(
    desk: ReadyQueue, clock: FrozenDateTimeFactory
) -> None:
    """A retry counts from the moment when it is due."""
    desk.put(ONE, wait_s=3)
    assert desk.due_s() == 0
    clock.tick(timedelta(seconds=5))
    assert desk.due_s() == pytest.approx(2)
    desk.put(TWO)
    assert desk.due_s() == pytest.approx(2)
    desk.take()
    assert desk.due_s() == 0


def test_what_an_outage_holds_is_not_due(desk: ReadyQueue, clock: FrozenDateTimeFactory) -> None:
    """A mail server that is down is no fault of the dispatcher."""
    desk.put(ONE)
    clock.tick(timedelta(seconds=5))
    open_breaker(desk)
    assert desk.due_s() == 0
