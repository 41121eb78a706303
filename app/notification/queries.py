"""Read access to the mails about an order, for the pages."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from app.events.outbox import DONE
from app.events.registry import Skipped
from app.events.types import Envelope
from app.notification.mail_templates import recipient_of, template_for
from app.store import Document

HANDLER = "notification"


class MailAbout(NamedTuple):
    """One mail that was sent. `name` is its file's in the mailbox, which SMTP does not fill."""

    at: str
    template: str
    recipient: str
    name: str


def sent_mails(records: Sequence[Document]) -> list[MailAbout]:
    """Return the mails that went out to the customer about the events of one order's timeline.

    A mail goes to the address that the order has when it is sent, so it is the one that the last
    event before that time says.
    """
    events = [Envelope.from_cloudevent(record["event"]) for record in records]
    times = [event.time for event in events]
    mails = []
    for record, event in zip(records, events, strict=True):
        delivery = record["deliveries"].get(HANDLER, {})
        if delivery.get("state") != DONE or delivery.get("note"):
            continue
        last = events[max(bisect_right(times, delivery["at"]) - 1, 0)]
        try:
            template = template_for(event)
            recipient = recipient_of(template, last, None)
        except Skipped:  # the address or the mail's rules have changed since
            continue
        mails.append(MailAbout(delivery["at"], template, recipient, f"{event.id}.{HANDLER}"))
    return mails
