"""The inbox: changed records are read in batches, oldest first, and none is lost."""

from collections import deque

from freezegun import freeze_time

from app.events.dispatch.inbox import MAX_READ_PER_ITERATION, Inbox
from tests.events.conftest import Shop


class FakeFeed:
    """A change feed that returns the given batches, and keeps the time-outs of its calls."""

    def __init__(self, *batches: list[str]) -> None:
        self.batches = deque(batches)
        self.timeouts_s: list[float] = []

    def take(self, timeout_s: float) -> list[str]:
        self.timeouts_s.append(timeout_s)
        return self.batches.popleft() if self.batches else []

    def wake(self) -> None:
        pass


def test_a_burst_is_read_in_batches() -> None:
    """Each key comes once and in order; keys that arrive meanwhile come after it."""
    first, second = [f"a{n}" for n in range(MAX_READ_PER_ITERATION + 5)], ["b"]
    inbox = Inbox(FakeFeed(first, second))
    assert inbox.take(1.0) == first[:MAX_READ_PER_ITERATION]
    assert inbox.take(1.0) == [*first[MAX_READ_PER_ITERATION:], "b"]
    assert inbox.take(1.0) == []


def test_it_waits_only_when_it_is_empty() -> None:
    """With unread keys it polls the feed without waiting."""
    feed = FakeFeed([str(n) for n in range(MAX_READ_PER_ITERATION + 1)])
    inbox = Inbox(feed)
    for _ in range(3):
        inbox.take(0.5)
    assert feed.timeouts_s == [0.5, 0.0, 0.5]


def test_own_changes_are_not_counted_as_foreign() -> None:
    """They are returned like all others; a later foreign change of the same key counts."""
    inbox = Inbox(FakeFeed(["a", "b", "c"], ["b"]))
    inbox.expect_own(["b", "c"])
    assert inbox.take(0.0) == ["a", "b", "c"]
    assert inbox.foreign_events == 1
    assert inbox.take(0.0) == ["b"]
    assert inbox.foreign_events == 1


def test_it_measures_how_long_the_oldest_key_has_waited() -> None:
    """An unread backlog counts as overdue."""
    with freeze_time() as clock:
        inbox = Inbox(FakeFeed([str(n) for n in range(MAX_READ_PER_ITERATION + 1)], ["late"]))
        assert inbox.overdue_s() == 0.0
        inbox.take(0.0)
        clock.tick(4)
        assert inbox.overdue_s() == 4.0
        inbox.take(0.0)
        assert inbox.overdue_s() == 0.0


def test_every_delivery_of_a_burst_is_made(shop: Shop) -> None:
    """No event is lost when there are more than one iteration reads."""
    shop.start_loop()
    ids = [shop.emit(f"order-{n}") for n in range(2 * MAX_READ_PER_ITERATION)]
    shop.deliver_all()
    assert all(set(shop.states(each).values()) == {"done"} for each in ids)
