"""Tapes of shops at work, for power cuts."""

import threading
from pathlib import Path

from app.store.files.checkpointer import Checkpointer
from app.store.files.store import JsonFileStore
from tests.durability.day import Shop, a_day
from tests.durability.disk import Disk
from tests.durability.journal_story import GONE, Fact
from tests.durability.recovery import Recording
from tests.store.shop import COLLECTIONS, note, order
from tests.transactions import transaction

OVERLAP_S = 0.005
WRITERS = 3
EACH = 12
OTHERS = ("mail", "gateway")


def record_day(data: Path) -> Recording:
    """Record the day in the shop, without the files of mail and gateway."""
    with Disk(data, overlap_s=OVERLAP_S) as disk:
        shop = Shop(data)
        for operation in a_day():
            answer = shop.do(operation)
            if answer and operation.number:
                disk.acknowledge(Fact("orders", answer["order_id"], answer.get("version", GONE)))
        shop.close()
    tape = [entry for entry in disk.tape if not entry.name.startswith(OTHERS)]
    return Recording(tape, shop.runtime.collections)


def record_rush(data: Path) -> Recording:
    """Record three stores, as of three processes, that write concurrently; one checkpoints."""
    with Disk(data, overlap_s=OVERLAP_S) as disk:
        stores = [JsonFileStore(data, COLLECTIONS) for _ in range(WRITERS)]
        threads = [
            threading.Thread(target=_write, args=(disk, store, with_checkpoints))
            for store, with_checkpoints in zip(stores, (True, False, False), strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for store in stores:
            store.close()
    return Recording(list(disk.tape), COLLECTIONS)


def _write(disk: Disk, store: JsonFileStore, with_checkpoints: bool) -> None:
    for number in range(EACH):
        with transaction(store) as tx:
            order_id = tx.new_id()
            tx.put("orders", order(order_id, number=tx.next_number("orders")))
            note(tx, order_id)
        disk.acknowledge(Fact("orders", order_id))
        if with_checkpoints and number % 4 == 3:
            Checkpointer(store).checkpoint()
