"""Standbys: what a monitor asks of every store."""

from app.store import Store


def test_a_store_without_a_standby_reports_none(store: Store) -> None:
    """A data folder never has one."""
    assert store.standby_lags() == []
