"""Shards: no two instances hold the same one, and each is soon held by one of them."""

from collections.abc import Callable

from app.store import ALL_SHARDS, Store
from tests.store.conftest import PATIENCE_S, Together

MakeStore = Callable[[], Store]


def test_no_two_instances_hold_the_same_shard(make_store: MakeStore) -> None:
    """The first instance has all; another one gets none of them while they are busy."""
    first, second = make_store(), make_store()
    assert not second.are_shards_leased()
    assert first.lease_shards() == ALL_SHARDS
    assert second.lease_shards(timeout_s=0.01) == frozenset()
    assert first.lease_shards(ALL_SHARDS) == ALL_SHARDS
    assert first.are_shards_leased()
    assert second.are_shards_leased()


def test_another_gets_the_shards_when_their_holder_closes(
    make_store: MakeStore, together: Together
) -> None:
    """An instance that waits for shards has them as soon as they are free."""
    first, second = make_store(), make_store()
    assert first.lease_shards() == ALL_SHARDS
    outcomes = together([lambda: second.lease_shards(timeout_s=PATIENCE_S), first.close])
    assert outcomes[0] == ALL_SHARDS
    assert second.are_shards_leased()
