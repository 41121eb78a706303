"""What was heard of is looked at bit by bit, oldest first, and nothing of it is forgotten."""

from collections import deque

import pytest

from app.events.dispatch import inbox
from app.events.dispatch.inbox import AT_ONCE, News
from tests.events.conftest import Shop


class Told:
    """A feed that says what the test puts into it, and notes how long it was waited for."""

    def __init__(self, *told: list[str]) -> None:
        self.told = deque(told)
        self.waits: list[float] = []

    def take(self, timeout_s: float) -> list[str]:
        self.waits.append(timeout_s)
        return self.told.popleft() if self.told else []

    def wake(self) -> None:
        pass


def test_a_burst_is_looked_at_bit_by_bit() -> None:
    """Each key once and in order; what comes meanwhile stands behind it."""
    first, second = [f"a{n}" for n in range(AT_ONCE + 5)], ["b"]
    heard = News(Told(first, second))
    assert heard.take(1.0) == first[:AT_ONCE]
    assert heard.take(1.0) == [*first[AT_ONCE:], "b"]
    assert heard.take(1.0) == []


def test_it_waits_only_when_nothing_is_left() -> None:
    """What is left can be looked at now."""
    feed = Told([str(n) for n in range(AT_ONCE + 1)])
    heard = News(feed)
    for _ in range(3):
        heard.take(0.5)
    assert feed.waits == [0.5, 0.0, 0.5]


def test_its_own_doings_are_no_news() -> None:
    """They are looked at like everything else, and count once for nothing."""
    heard = News(Told(["a", "b", "c"], ["b"]))
    heard.expect(["b", "c"])
    assert heard.take(0.0) == ["a", "b", "c"]
    assert heard.came == 1
    assert heard.take(0.0) == ["b"]
    assert heard.came == 1


def test_it_says_how_long_the_oldest_has_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a backlog counts, although nobody has looked at it."""
    now = 100.0
    monkeypatch.setattr(inbox, "monotonic", lambda: now)
    heard = News(Told([str(n) for n in range(AT_ONCE + 1)], ["late"]))
    assert heard.due_s() == 0.0
    heard.take(0.0)
    now = 104.0
    assert heard.due_s() == 4.0
    heard.take(0.0)
    assert heard.due_s() == 0.0


def test_every_delivery_of_a_burst_is_made(shop: Shop) -> None:
    """Also of more events than are looked at together."""
    shop.begin()
    ids = [shop.emit(f"order-{n}") for n in range(2 * AT_ONCE)]
    shop.deliver_all()
    assert all(set(shop.states(each).values()) == {"done"} for each in ids)
