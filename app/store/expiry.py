"""Deletes documents that have expired, a few at a time, in collections that are sorted by time.

The job of the leading process calls it, never a request: on PostgreSQL a transaction that searches
an end of the index to which others add conflicts with each of them (docs/decisions/0151). Whether a
document still counts, its readers decide.
"""

from typing import NamedTuple

from app.kernel import clock
from app.store import Collection, Store, Transaction

MAX_DELETED = 100
"""Documents that one transaction deletes at most of each kind: about a millisecond of work."""


class Expiry(NamedTuple):
    """The documents of a collection expire `after_s` seconds from the time that sorts them.

    One whose time is more than `max_ahead_s` in the future was stored while the clock was ahead;
    it has expired, too.
    """

    collection: Collection
    after_s: float
    max_ahead_s: float


def delete_expired(store: Store, expiry: Expiry, limit: int = MAX_DELETED) -> bool:
    """Delete some expired documents; returns whether there were any. Raises as transactions do."""
    name, sort, key = expiry.collection.name, expiry.collection.sort, expiry.collection.key
    until, ahead = clock.ago(expiry.after_s), clock.ago(-expiry.max_ahead_s)
    with store.read() as view:
        old = view.find(name, high=until, limit=limit).documents
        early = view.find(name, low=ahead, limit=limit).documents
    keys = [each[key] for each in old + early]

    def delete(tx: Transaction) -> None:
        for each in filter(None, (tx.get(name, key) for key in keys)):
            if not until < sort(each) < ahead:  # otherwise it was stored again meanwhile
                tx.delete(name, each[key])

    if keys:
        store.run_in_transaction(delete)
    return bool(keys)
