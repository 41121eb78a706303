"""Observers receive the outcome of each attempt once it is recorded, and a heartbeat."""

import pytest

from app.events.dispatch.delivery import Delivery
from app.events.dispatch.observer import Observer
from app.events.dispatch.outcome import DEAD, DONE, RETRY, Outcome
from app.kernel.errors import Unavailable
from tests.events.conftest import Shop
from tests.events.dispatch.test_store_trouble import TroubledStore


class Recorder(Observer):
    """Keeps what it receives."""

    def __init__(self) -> None:
        self.attempts: list[tuple[str, str, int]] = []
        self.overdue_s: list[float] = []

    def record_attempt(self, delivery: Delivery, outcome: Outcome) -> None:
        self.attempts.append((delivery.partition.handler, outcome.kind, delivery.attempt))

    def record_heartbeat(self, overdue_s: float) -> None:
        self.overdue_s.append(overdue_s)


@pytest.fixture
def observer(shop: Shop) -> Recorder:
    """A recorder of the shop's deliveries."""
    shop.observer = observer = Recorder()
    return observer


def test_each_attempt_is_reported(shop: Shop, observer: Recorder) -> None:
    """Successes, retries and dead deliveries are all reported."""
    shop.inventory.fail(OSError("once"))
    shop.billing.fail(ValueError("for good"))
    shop.emit()
    shop.deliver_all()
    assert sorted(observer.attempts) == [
        ("billing", DEAD, 1),
        ("inventory", DONE, 2),
        ("inventory", RETRY, 1),
        ("notification", DONE, 1),
    ]


def test_an_attempt_that_was_not_recorded_is_not_reported(shop: Shop, observer: Recorder) -> None:
    """If the store fails, the attempt is made again, and reported then."""
    shop.emit()
    store = TroubledStore(shop.store)
    store.after = Unavailable("the disk failed")
    loop = shop.start_loop()
    loop.store = store
    with pytest.raises(Unavailable):
        loop.run_once()
    assert observer.attempts == []


def test_each_iteration_of_the_leader_is_a_heartbeat(shop: Shop, observer: Recorder) -> None:
    """Monitoring notices a dispatcher whose heartbeats stop."""
    shop.start_loop().run_once()
    assert observer.overdue_s == [0.0]
