"""The ready queue of one handler: ready, delayed, and held by the breaker."""

from datetime import timedelta

import pytest
from freezegun.api import FrozenDateTimeFactory

from app.events.dispatch.delivery import Partition
from app.events.dispatch.scheduling.breaker import OUTAGES_TO_OPEN
from app.events.dispatch.scheduling.ready_queue import MAX_DELIVERIES_PER_TAKE, ReadyQueue
from app.kernel.errors import Unavailable

ONE, TWO, THREE = (Partition(f"order-{n}", "billing") for n in (1, 2, 3))


@pytest.fixture
def queue(clock: FrozenDateTimeFactory) -> ReadyQueue:
    return ReadyQueue()


def open_breaker(queue: ReadyQueue) -> None:
    for _ in range(OUTAGES_TO_OPEN):
        queue.breaker.record(Unavailable("down"))


def test_partitions_are_taken_first_in_first_out(queue: ReadyQueue) -> None:
    """The one that became ready first is taken first, and each is taken once."""
    queue.add(TWO)
    queue.add(ONE)
    assert queue.take() == [TWO, ONE]
    assert queue.take() == []


def test_an_empty_queue_has_no_wait(queue: ReadyQueue) -> None:
    """None means that only a change in the outbox can bring work."""
    assert queue.wait_s() is None


def test_a_delayed_partition_is_taken_when_its_delay_is_over(
    queue: ReadyQueue, clock: FrozenDateTimeFactory
) -> None:
    """A retry does not run before it is due, and `wait_s` says when that is."""
    queue.add(ONE, delay_s=3)
    assert queue.take() == []
    assert queue.wait_s() == pytest.approx(3)
    clock.tick(timedelta(seconds=3))
    assert queue.wait_s() == 0
    assert queue.take() == [ONE]


def test_a_delay_can_be_ended(queue: ReadyQueue, clock: FrozenDateTimeFactory) -> None:
    """The partition is taken once then, and a delay that begins afterwards counts."""
    queue.add(ONE, delay_s=3, has_failed=True)
    queue.expedite(ONE)
    queue.expedite(TWO)
    assert queue.take() == [ONE]
    queue.add(ONE, delay_s=9)
    clock.tick(timedelta(seconds=3))
    assert queue.take() == []
    clock.tick(timedelta(seconds=6))
    assert queue.take() == [ONE]
    assert queue.wait_s() is None


def test_a_transaction_takes_a_limited_number(queue: ReadyQueue) -> None:
    """A backlog of one handler delays neither the other handlers nor requests."""
    for n in range(2 * MAX_DELIVERIES_PER_TAKE):
        queue.add(Partition(f"order-{n}", "billing"))
    assert len(queue.take()) == MAX_DELIVERIES_PER_TAKE


def test_an_open_breaker_holds_all_partitions(queue: ReadyQueue) -> None:
    """While the peer is down nothing runs, and nothing is lost."""
    queue.add(ONE)
    open_breaker(queue)
    assert queue.take() == []
    assert queue.wait_s() == pytest.approx(1)


def test_an_open_breaker_lets_one_partition_probe(
    queue: ReadyQueue, clock: FrozenDateTimeFactory
) -> None:
    """After the pause a single delivery runs, to find out whether the peer is back."""
    for partition in (ONE, TWO, THREE):
        queue.add(partition)
    open_breaker(queue)
    clock.tick(timedelta(seconds=1))
    assert queue.take() == [ONE]
    assert queue.take() == []


def test_an_untried_partition_probes_before_those_that_failed(
    queue: ReadyQueue, clock: FrozenDateTimeFactory
) -> None:
    """One order that always fails does not hold up the others for long."""
    open_breaker(queue)
    for _ in range(6):
        queue.add(ONE, has_failed=True)
        clock.tick(timedelta(seconds=queue.wait_s() or 0))
        assert queue.take() == [ONE]
        queue.breaker.record(Unavailable("down"))
    queue.add(ONE, has_failed=True)
    queue.add(TWO)
    assert queue.wait_s() == pytest.approx(1)
    clock.tick(timedelta(seconds=1))
    assert queue.take() == [TWO]


def test_retries_are_taken_before_untried_deliveries(
    queue: ReadyQueue, clock: FrozenDateTimeFactory
) -> None:
    """While the breaker is closed, a retry that is due comes first."""
    queue.add(TWO)
    queue.add(ONE, delay_s=1, has_failed=True)
    clock.tick(timedelta(seconds=1))
    assert queue.take() == [ONE, TWO]


def test_all_partitions_are_ready_as_soon_as_a_probe_succeeds(
    queue: ReadyQueue, clock: FrozenDateTimeFactory
) -> None:
    """The rest of the pause is dropped once the peer has answered."""
    for partition in (ONE, TWO, THREE):
        queue.add(partition)
    open_breaker(queue)
    clock.tick(timedelta(seconds=1))
    queue.take()
    queue.breaker.record(None)
    assert queue.wait_s() == 0
    assert queue.take() == [TWO, THREE]


def test_it_measures_how_long_the_first_partition_has_been_ready(
    queue: ReadyQueue, clock: FrozenDateTimeFactory
) -> None:
    """A retry counts from the moment when it is due."""
    queue.add(ONE, delay_s=3)
    assert queue.overdue_s() == 0
    clock.tick(timedelta(seconds=5))
    assert queue.overdue_s() == pytest.approx(2)
    queue.add(TWO)
    assert queue.overdue_s() == pytest.approx(2)
    queue.take()
    assert queue.overdue_s() == 0


def test_partitions_held_by_the_breaker_are_not_overdue(
    queue: ReadyQueue, clock: FrozenDateTimeFactory
) -> None:
    """An outage of a peer does not make the dispatcher report a delay."""
    queue.add(ONE)
    clock.tick(timedelta(seconds=5))
    open_breaker(queue)
    assert queue.overdue_s() == 0
