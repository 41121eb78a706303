"""Leadership: one instance leads at a time."""

from collections.abc import Callable

from app.store import Store
from tests.store.conftest import PATIENCE_S, Together

MakeStore = Callable[[], Store]


def test_only_one_instance_leads(make_store: MakeStore) -> None:
    """The first instance leads; the others see that there is a leader."""
    first, second = make_store(), make_store()
    assert not second.has_leader()
    assert first.lead(timeout_s=0)
    assert not second.lead(timeout_s=0.01)
    assert first.has_leader()
    assert second.has_leader()


def test_leader_stays_leader(store: Store) -> None:
    """A leader that calls `lead` again still leads."""
    assert store.lead(timeout_s=0)
    assert store.lead(timeout_s=0)


def test_another_takes_over_when_the_leader_closes(
    make_store: MakeStore, together: Together
) -> None:
    """An instance that waits to lead does so as soon as the leader has closed."""
    first, second = make_store(), make_store()
    assert first.lead(timeout_s=0)
    outcomes = together([lambda: second.lead(timeout_s=PATIENCE_S), first.close])
    assert outcomes[0] is True
    assert second.has_leader()
