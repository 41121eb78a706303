"""Deletes documents that have expired, a few at a time, in collections that are sorted by time."""

from app.store import Collection, Transaction


def delete_expired(
    tx: Transaction, collection: Collection, until: str, ahead: str, limit: int
) -> bool:
    """Delete documents of a time up to `until`, or from `ahead` on; returns whether any was.

    Documents from `ahead` on were stored while the clock was ahead. Of each kind at most `limit`
    are deleted.
    """
    has_deleted = False
    for low, high in (("", until), (ahead, None)):
        for expired in tx.find(collection.name, low=low, high=high, limit=limit).documents:
            tx.delete(collection.name, expired[collection.key])
            has_deleted = True
    return has_deleted
