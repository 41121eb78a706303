"""The event handler of privacy: removes the mails about an order whose customer was erased.

It is no part of notification, where a mail that has failed would block it.
"""

from dataclasses import replace

from app.events.outbox import newest_event_ids
from app.events.registry import SideEffectHandler
from app.events.types import Envelope
from app.notification.maildir import Maildir
from app.store import View

HANDLER = "privacy"


def mail_eraser(maildir: Maildir) -> SideEffectHandler:
    """The handler of customer.forgotten; a mail that a mail program has removed is no error."""

    def prepare(view: View, event: Envelope) -> Envelope:
        return replace(event, data={"events": list(newest_event_ids(view, event.subject))})

    def run(event: Envelope) -> None:
        maildir.remove(set(event.data["events"]))

    return SideEffectHandler(HANDLER, run, prepare)
