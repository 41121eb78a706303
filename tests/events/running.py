"""A running dispatcher, and waiting for a condition with a deadline."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from app.events.dispatch.dispatcher import Dispatcher
from app.events.dispatch.retry import RetryPolicy
from app.events.registry import HandlerRegistry
from app.store import Store
from tests.conftest import PATIENCE_S
from tests.events.conftest import QUICK, Shop


@contextmanager
def dispatching(
    store: Store, registry: HandlerRegistry, policy: RetryPolicy = QUICK
) -> Iterator[Dispatcher]:
    """A running dispatcher, closed whatever happens."""
    dispatcher = Dispatcher(store, registry, policy)
    dispatcher.start()
    try:
        yield dispatcher
    finally:
        dispatcher.close()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = monotonic() + PATIENCE_S
    tick = threading.Event()
    while not condition():
        assert monotonic() < deadline, "the condition did not hold in time"
        tick.wait(0.002)


def is_done(shop: Shop, event_id: str) -> bool:
    return set(shop.states(event_id).values()) == {"done"}
