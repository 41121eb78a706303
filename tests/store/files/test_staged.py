"""Searches in a transaction, among the changes that it has staged."""

import sys

import pytest

from app.store import Transaction
from tests.store.conftest import OpenStore
from tests.store.shop import order
from tests.transactions import transaction


@pytest.mark.parametrize("search", ["find", "count"])
def test_cost_does_not_grow_with_what_was_staged(open_store: OpenStore, search: str) -> None:
    """A page or a count costs about the same after 50 and after 1,600 changes."""
    store = open_store()

    def calls(staged: int) -> int:
        with transaction(store) as tx:
            for number in range(staged):
                tx.put("orders", order(f"{number:05}", status="paid", placed="2026"))
                look(tx)
            events: list[str] = []
            sys.setprofile(lambda _frame, event, _arg: events.append(event))
            try:
                look(tx)
            finally:
                sys.setprofile(None)
            tx.delete("orders", "00000")
        return len(events)

    def look(tx: Transaction) -> None:
        if search == "count":
            tx.count("orders", {"status": "paid"})
        else:
            tx.find("orders", {"status": "paid"}, limit=1)

    assert calls(1600) < 2 * calls(50)
