"""Ids that the file store issues."""

from tests.store.conftest import OpenStore
from tests.transactions import transaction


def test_new_ids_increase_when_the_clock_goes_back(open_store: OpenStore) -> None:
    """After an id from a clock that was ahead, the next id is still greater."""
    store = open_store()
    ahead = "ffffffff-0000-7000-8000-0000000000ff"
    with transaction(store) as tx:
        tx.put("counters", {"name": "last_id", "value": ahead})
    with transaction(store) as tx:
        assert tx.new_id() == "ffffffff-0000-7000-8000-000000000100"
