"""Who watches the deliveries hears what came of each attempt, once it is on record."""

import pytest

from app.events.dispatch.outcome import DEAD, DONE, RETRY, Delivery, Verdict
from app.kernel.errors import Unavailable
from tests.events.conftest import Shop
from tests.events.dispatch.test_store_trouble import TroubledStore


class Listening:
    """Notes what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, int]] = []
        self.due_s: list[float] = []

    def delivered(self, delivery: Delivery, verdict: Verdict) -> None:
        self.heard.append((delivery.partition.handler, verdict.what, delivery.attempt))

    def led(self, due_s: float) -> None:
        self.due_s.append(due_s)


@pytest.fixture
def observer(shop: Shop) -> Listening:
    """One that listens to the shop's deliveries."""
    shop.observer = observer = Listening()
    return observer


def test_each_attempt_is_heard_of(shop: Shop, observer: Listening) -> None:
    """Those that succeed, are tried again, and are given up."""
    shop.inventory.fail(OSError("once"))
    shop.billing.fail(ValueError("for good"))
    shop.emit()
    shop.deliver_all()
    assert sorted(observer.heard) == [
        ("billing", DEAD, 1),
        ("inventory", DONE, 2),
        ("inventory", RETRY, 1),
        ("notification", DONE, 1),
    ]


def test_what_was_not_recorded_is_not_heard_of(shop: Shop, observer: Listening) -> None:
    """When the store is in trouble the attempt is made again, and counts then."""
    shop.emit()
    store = TroubledStore(shop.store)
    store.after = Unavailable("the disk failed")
    work = shop.begin()
    work._store = store
    with pytest.raises(Unavailable):
        work.step()
    assert observer.heard == []


def test_each_step_of_the_leader_is_heard_of(shop: Shop, observer: Listening) -> None:
    """So that somebody notices when there are none."""
    shop.begin().step()
    assert observer.due_s == [0.0]
