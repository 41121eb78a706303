"""What a process keeps in memory of documents that no checkpoint has yet."""

import tracemalloc

from tests.store.conftest import OpenStore
from tests.store.shop import order, put_orders

ORDERS = 2000
MOST_BYTES = 1200
"""For a document of 200 bytes: with its keys, and its place in the lists of two stores."""


def test_a_document_takes_little_more_than_its_length(open_store: OpenStore) -> None:
    """In the store that wrote it, and in one that follows."""
    writer, follower = open_store(), open_store()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(ORDERS):
            put_orders(writer, order(f"{number:036}", status="open", note="x" * 120))
        follower.catch_up()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / ORDERS / 2 < MOST_BYTES
