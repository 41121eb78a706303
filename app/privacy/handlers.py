"""Removes the mails about orders whose customer was erased: by an event handler, or at once.

The handler is no part of notification, where a mail that has failed would block it.
"""

from collections.abc import Iterable
from dataclasses import replace

from app.events.outbox import OUTBOX, newest_event_ids
from app.events.registry import SideEffectHandler
from app.events.types import CustomerForgotten, Envelope
from app.notification.maildir import Maildir
from app.store import Store, View
from app.store.matching import scan_all

HANDLER = "privacy"


def mail_eraser(maildir: Maildir) -> SideEffectHandler:
    """The handler of customer.forgotten; a mail that a mail program has removed is no error."""

    def prepare(view: View, event: Envelope) -> Envelope:
        return replace(event, data={"events": list(newest_event_ids(view, event.subject))})

    def run(event: Envelope) -> None:
        maildir.remove(set(event.data["events"]))

    return SideEffectHandler(HANDLER, run, prepare)


def remove_mails(store: Store, maildir: Maildir, order_ids: Iterable[str]) -> None:
    """Remove the mails about these orders, and those that the handler has still to remove.

    Durable on return. The handler finds nothing to remove then. Raises OSError.
    """
    waiting = (record["event"] for record in scan_all(store, OUTBOX))
    erased = {event["subject"] for event in waiting if event["type"] == CustomerForgotten.type}
    with store.read() as view:
        subjects = erased.union(order_ids)
        events = {event for subject in subjects for event in newest_event_ids(view, subject)}
    maildir.remove(events)
