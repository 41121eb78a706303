"""The memory that documents take until a checkpoint writes them."""

import gc
import tracemalloc
from typing import Any

from tests.store.conftest import OpenStore
from tests.store.shop import order, put_orders

ORDERS = 2000
MAX_BYTES_PER_ORDER = 1200
"""For a document of 200 bytes, with its key and index entries."""


def test_document_takes_little_more_than_its_length(open_store: OpenStore) -> None:
    """The bound holds in the store that wrote it and in one that follows."""
    writer, follower = open_store(), open_store()
    gc.freeze()  # spares the collection below what earlier tests left
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for first in range(0, ORDERS, 50):
            put_orders(writer, *map(_order, range(first, first + 50)))
        follower.catch_up()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.unfreeze()
    assert (after - before) / ORDERS / 2 < MAX_BYTES_PER_ORDER


def _order(number: int) -> dict[str, Any]:
    return order(f"{number:036}", status="open", note="x" * 120)
