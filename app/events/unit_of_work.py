"""The outbox records that one transaction of the delivery loop reads and writes."""

from collections.abc import Callable, Iterable
from itertools import chain, takewhile

from app.events.outbox import (
    documents_of_emit,
    find_open_event,
    newest_event_ids,
    prefetch_open_events,
    save_record,
)
from app.events.types import Envelope
from app.store import Document, Place, Transaction


class UnitOfWork:
    """Identity map of the outbox records of one transaction: each is read once and written once."""

    def __init__(self, tx: Transaction) -> None:
        self.tx = tx
        self._records: dict[str, Document | None] = {}
        self._envelopes: dict[str, Envelope] = {}
        self._changed: dict[str, Document] = {}
        self._emitted: set[str] = set()

    def prefetch(
        self, event_ids: Iterable[str], documents_of: Callable[[Envelope], Iterable[Place]]
    ) -> None:
        """Have what handlers of these open events read at hand.

        `documents_of` names the documents of an event, besides the outbox's own.
        """
        events = [self.envelope(each) for each in event_ids if self.get(each)]
        self.tx.prefetch(
            place
            for event in events
            for place in (*documents_of_emit(event.subject), *documents_of(event))
        )
        prefetch_open_events(self.tx, chain.from_iterable(map(self._ids_after, events)))

    def get(self, event_id: str) -> Document | None:
        """The record, with the changes made to it so far; None if it has no open delivery."""
        if event_id not in self._records:
            self._records[event_id] = find_open_event(self.tx, event_id)
        return self._records[event_id]

    def envelope(self, event_id: str) -> Envelope:
        """The event of an open record: a copy, so a handler cannot change the record."""
        if event_id not in self._envelopes:
            record = find_open_event(self.tx, event_id) or {}
            self._envelopes[event_id] = Envelope.from_cloudevent(record["event"])
        return self._envelopes[event_id]

    def newest_event_id(self, subject: str) -> str:
        """The id of the last event about the subject; "" where its timeline has none."""
        return next(newest_event_ids(self.tx, subject), "")

    def events_after(self, event: Envelope, last: str) -> list[tuple[str, Document | None]]:
        """The ids and records of later events about the same subject, newest first.

        None unless there are any behind event `last`, which are those that were emitted here. The
        others may be of other transactions, and then they have to be delivered before these.
        """
        ids = self._ids_after(event)
        emitted = [each for each in ids if each > last]
        self._emitted.update(emitted)
        return [(each, self.get(each)) for each in ids] if emitted else []

    def handlers_of_emitted(self) -> set[str]:
        """The handlers of the events that were emitted here."""
        records = filter(None, map(self.get, self._emitted))
        return {handler for record in records for handler in record["deliveries"]}

    def mark_changed(self, record: Document) -> None:
        """Have `flush` save the record as it will be then."""
        self._changed[record["id"]] = record

    def flush(self) -> set[str]:
        """Save the changed records; returns their ids, and those of the events emitted here."""
        for record in self._changed.values():
            save_record(self.tx, record)
        return self._changed.keys() | self._emitted

    def _ids_after(self, event: Envelope) -> list[str]:
        """The ids of later events about the same subject, newest first."""
        ids = newest_event_ids(self.tx, event.subject)
        return list(takewhile(lambda each: each > event.id, ids))
