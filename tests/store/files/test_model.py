"""A model-based test: two stores and a plain dict hold the same after any operations."""

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from app.store.files.checkpointer import Checkpointer
from app.store.files.store import JsonFileStore
from tests.store.shop import COLLECTIONS, all_orders, ids, order
from tests.transactions import transaction

KEYS = st.sampled_from(["", "a", "ab", "b b", 'c"', "d\\", "é", "\u2028"]).map("k{}".format)
TOTALS = st.integers(0, 99).map(str)
STATUSES = st.sampled_from(["placed", "paid"])
CHANGES = st.lists(st.tuples(KEYS, st.none() | st.tuples(TOTALS, STATUSES)), max_size=4)
INSTANCES = st.integers(0, 1)


class StoreBesideDict(RuleBasedStateMachine):
    """Two instances of one store, and the dict that they must equal."""

    @initialize()
    def begin(self) -> None:
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = Path(self.temporary.name) / "data"
        self.stores = [self.opened(), self.opened()]
        self.expected: dict[str, dict[str, Any]] = {}

    def opened(self) -> JsonFileStore:
        return JsonFileStore(self.folder, COLLECTIONS)

    @rule(changes=CHANGES, instance=INSTANCES, fails=st.booleans())
    def change(
        self, changes: list[tuple[str, tuple[str, str] | None]], instance: int, *, fails: bool
    ) -> None:
        expected = dict(self.expected)
        try:
            with transaction(self.stores[instance]) as tx:
                for key, fields in changes:
                    if fields is None:
                        tx.delete("orders", key)
                        expected.pop(key, None)
                    else:
                        total, status = fields
                        expected[key] = order(key, total=total, placed=total, status=status)
                        tx.put("orders", expected[key])
                assert {key: tx.get("orders", key) for key in tx.keys("orders")} == expected
                assert ids(tx.find("orders").documents) == in_order(expected)
                if fails:
                    raise InterruptedError
        except InterruptedError:
            return
        self.expected = expected

    @rule(instance=INSTANCES)
    def checkpoint(self, instance: int) -> None:
        assert Checkpointer(self.stores[instance]).checkpoint()

    @rule(instance=INSTANCES)
    def reopen(self, instance: int) -> None:
        self.stores[instance].close()
        self.stores[instance] = self.opened()

    @rule(instance=INSTANCES)
    def look(self, instance: int) -> None:
        store, expected = self.stores[instance], self.expected
        assert all_orders(store) == expected
        with store.read() as view:
            assert ids(view.find("orders").documents) == in_order(expected)
            for status in ("placed", "paid"):
                matching = {k: each for k, each in expected.items() if each["status"] == status}
                found = view.find("orders", {"status": status}, descending=True).documents
                assert ids(found) == in_order(matching)[::-1]
                assert view.count("orders", {"status": status}) == len(matching)

    @invariant()
    def nothing_is_lost(self) -> None:
        if hasattr(self, "stores"):
            with self.stores[0].read() as view:
                assert view.count("orders") == len(self.expected)

    def teardown(self) -> None:
        for store in self.stores:
            store.close()
        self.temporary.cleanup()


def in_order(documents: dict[str, dict[str, Any]]) -> list[str]:
    """The keys in the order of the list."""
    return sorted(documents, key=lambda key: (documents[key]["placed"], key))


StoreBesideDict.TestCase.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, derandomize=True
)


class TestStoreBesideDict(StoreBesideDict.TestCase):  # type: ignore[valid-type, misc]  # made so
    """Forty histories of up to twenty-five steps: changes, failures, checkpoints, reopenings."""
