"""The handlers of endpoints: each sends events to one of them, signed, until it accepts them.

A receiver accepts an event with a status of 2xx. 410 (Gone) disables the endpoint, and so does the
header `webhook-delivery: disable`; `webhook-delivery: abort-message` ends the retries of one event
(https://docs.svix.com/receiving/delivery-control). Every other status, a redirect too, and no
answer within 15 seconds, are failures, which are retried.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from time import time

from app.config import Config
from app.events.dispatch.retry_schedule import RetrySchedule
from app.events.outbox import find_open_event
from app.events.registry import Skipped
from app.events.subscribers import SubscriberHandler
from app.events.subscriptions import SEPARATOR
from app.events.types import CustomerForgotten, Envelope
from app.kernel.errors import Unavailable
from app.store import Document, Transaction, View
from app.webhooks import signature
from app.webhooks.documents import WEBHOOKS
from app.webhooks.sender import Answer, Sender
from app.webhooks.service import active_secrets, record_result

SECOND, MINUTE, HOUR = 1.0, 60.0, 3600.0
RETRIES = RetrySchedule(
    (
        *(5 * SECOND, 5 * MINUTE, 30 * MINUTE),
        *(2 * HOUR, 5 * HOUR, 10 * HOUR, 10 * HOUR),
    )
)
"""The first attempt is made at once; the eighth and last more than a day after it."""

CONTENT_TYPE = "application/cloudevents+json"
DELIVERY_CONTROL = "webhook-delivery"
GONE = 410


class NotAccepted(Unavailable):
    """The receiver answered, but not with 2xx."""

    def __init__(self, answer: Answer) -> None:
        # without its text, which may have what must not be in failure.json
        super().__init__(f"the receiver answered {answer.status}")
        self.answer = answer


class Aborted(Skipped):
    """The receiver wants no further attempt at this event."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"the receiver answered {answer.status} and wants no further attempt")
        self.answer = answer


@dataclass(frozen=True)
class Message:
    """An event to post to an endpoint; `secrets` sign it."""

    url: str
    secrets: Sequence[str] = field(repr=False)
    event: Document


@dataclass(frozen=True)
class WebhookHandlers:
    """Makes the handler of each endpoint, from its name."""

    sender: Sender

    def handler(self, name: str) -> SubscriberHandler:
        """The handler `webhook:ID`; when there is no such endpoint it skips every event."""
        endpoint_id = name.partition(SEPARATOR)[2]
        return SubscriberHandler(
            name,
            self.send,
            partial(_prepare, endpoint_id),
            retries=RETRIES,
            record=partial(_record, endpoint_id),
        )

    def send(self, message: Message) -> Answer:
        """Post the message once; returns the receiver's answer, which is 2xx.

        Raises NotAccepted, Aborted, and what Sender.post raises.
        """
        answer = self.post(message)
        if is_accepted(answer):
            return answer
        if _control(answer) == "abort-message" or refusal_of(answer):
            raise Aborted(answer)
        raise NotAccepted(answer)

    def post(self, message: Message) -> Answer:
        """Post the message once; returns the receiver's answer. Raises what Sender.post raises."""
        body = json.dumps(message.event, ensure_ascii=False, separators=(",", ":")).encode()
        signed = signature.headers(message.secrets, message.event["id"], int(time()), body)
        headers = {"content-type": CONTENT_TYPE}
        return self.sender.post(message.url, headers | signed, body)


def webhook_handlers(config: Config) -> WebhookHandlers:
    """The handlers of endpoints, which send where the settings allow it."""
    return WebhookHandlers(
        Sender(allow_http=config.webhook_http, allow_private=config.webhook_private)
    )


def is_accepted(answer: Answer) -> bool:
    """Whether the receiver has taken the event."""
    return 200 <= answer.status < 300


def refusal_of(answer: Answer) -> str:
    """Why the receiver wants no more events at all; empty when it does not say so."""
    if answer.status == GONE:
        return "the receiver answered 410 (Gone)"
    if _control(answer) == "disable":
        return "the receiver asked for no more events"
    return ""


def _control(answer: Answer) -> str:
    return answer.headers.get(DELIVERY_CONTROL, "").strip().lower()


def _prepare(endpoint_id: str, view: View, event: Envelope) -> Message:
    """The message to send. Raises Skipped when the endpoint takes no events now."""
    endpoint = view.get(WEBHOOKS.name, endpoint_id)
    if endpoint is None:
        raise Skipped("not sent: the webhook was deleted")
    if not endpoint["enabled"]:
        raise Skipped("not sent: the webhook is disabled")
    return Message(endpoint["url"], active_secrets(endpoint), event.as_cloudevent())


def _record(
    endpoint_id: str,
    tx: Transaction,
    event: Envelope,
    value: Answer | None,
    error: BaseException | None,
) -> Document:
    """Note the result at the endpoint; returns the answer for the delivery's log.

    A receiver may repeat the event. So the text is left out when the customer was erased from the
    event meanwhile, and when the event says that one was erased.
    """
    answer: Answer | None = value or getattr(error, "answer", None)
    refusal = refusal_of(answer) if answer else ""
    record_result(tx, endpoint_id, is_delivered=error is None, refusal=refusal)
    if answer is None:
        return {}
    stored = find_open_event(tx, event.id)
    is_whole = stored is not None and stored["event"]["data"] == event.data
    is_kept = is_whole and event.type != CustomerForgotten.type
    return {"status": answer.status} | ({"answer": answer.text} if is_kept else {})
