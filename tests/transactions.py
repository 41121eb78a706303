"""A transaction as a `with` block, which reads better in tests; see Store.run_in_transaction."""

from collections.abc import Iterator
from contextlib import contextmanager

from greenlet import getcurrent, greenlet

from app.store import Store, Transaction


@contextmanager
def transaction(store: Store) -> Iterator[Transaction]:
    """Run the block as the work of a transaction, which the store must not repeat.

    The work waits in a greenlet of its own while the block runs in the caller's.
    """
    block = getcurrent()
    work = greenlet(lambda: store.run_in_transaction(block.switch))
    tx = work.switch()
    try:
        yield tx
    except BaseException as error:  # noqa: BLE001  (the work raises it, and so the store here)
        work.throw(error)
    else:
        work.switch()
    assert work.dead, "the store has repeated the block"
