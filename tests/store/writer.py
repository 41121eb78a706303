"""A process that places orders from several threads, and prints each acknowledged one.

Started by test_crashes.py as `python -m tests.store.writer FOLDER`, and killed.
"""

import os
import sys
import threading
from pathlib import Path

from app.store import Transaction
from app.store.files.checkpointer import Checkpointer
from app.store.files.store import JsonFileStore
from tests.store.shop import COLLECTIONS, note, order

THREADS = 4


def place_orders(store: JsonFileStore) -> None:
    """Place orders, each with a note in its transaction, until the process is killed."""
    while True:
        order_id = store.run_in_transaction(_place_order)
        os.write(1, f"{order_id}\n".encode())


def _place_order(tx: Transaction) -> str:
    order_id = tx.new_id()
    tx.put("orders", order(order_id, number=tx.next_number("orders")))
    note(tx, order_id)
    return order_id


if __name__ == "__main__":
    opened = JsonFileStore(Path(sys.argv[1]), COLLECTIONS)
    opened.lease_shards()
    Checkpointer(opened).start()
    for _ in range(THREADS):
        threading.Thread(target=place_orders, args=(opened,)).start()
