"""The handlers of endpoints: each sends events to one of them, signed, until it accepts them.

A receiver accepts an event with a status of 2xx. 410 (Gone) disables the endpoint, and so does the
header `webhook-delivery: disable`; `webhook-delivery: abort-message` discards one event
(https://docs.svix.com/receiving/delivery-control). Every other status, a redirect too, and no
response within 15 seconds, are failures, which are retried.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from time import time
from typing import NamedTuple

from app.config import Config
from app.events.dispatch.retry_schedule import RetrySchedule
from app.events.outbox import find_open_event
from app.events.registry import Refused, Skipped
from app.events.subscribers import SubscriberHandler
from app.events.subscriptions import SEPARATOR
from app.events.types import CustomerForgotten, Envelope
from app.kernel.errors import DaybookError, Unavailable
from app.store import Document, Transaction, View
from app.webhooks import signature
from app.webhooks.sender import Response, Sender
from app.webhooks.service import active_secrets, find_endpoint, reason_to_skip, record_result

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


class Attempt(NamedTuple):
    """An attempt to send to `url`: the receiver's response, if one came, and the error, if any."""

    url: str
    response: Response | None
    error: DaybookError | None


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

    def send(self, message: Message) -> Attempt:
        """Post the message once; without an error the receiver has accepted it."""
        try:
            response = self.post(message)
        except Unavailable as error:
            return Attempt(message.url, None, error)
        return Attempt(message.url, response, _error_of(response))

    def post(self, message: Message) -> Response:
        """Post the message once and return the response. Raises what Sender.post raises."""
        body = json.dumps(message.event, ensure_ascii=False, separators=(",", ":")).encode()
        signed = signature.headers(message.secrets, message.event["id"], int(time()), body)
        headers = {"content-type": CONTENT_TYPE}
        return self.sender.post(message.url, headers | signed, body)


def webhook_handlers(config: Config) -> WebhookHandlers:
    """The handlers of endpoints, which send where the settings allow it."""
    return WebhookHandlers(
        Sender(allow_http=config.webhook_http, allow_private=config.webhook_private)
    )


def is_accepted(response: Response) -> bool:
    """Whether the receiver has taken the event."""
    return 200 <= response.status < 300


def refusal_of(response: Response) -> str:
    """Why the receiver wants no more events at all; empty when it does not say so."""
    if response.status == GONE:
        return "the receiver answered 410 (Gone)"
    if _control(response) == "disable":
        return "the receiver asked for no more events"
    return ""


def _error_of(response: Response) -> DaybookError | None:
    # without the response's text, which may have what must not be in failure.json
    if is_accepted(response):
        return None
    if _control(response) == "abort-message":
        return Refused(f"the receiver answered {response.status} and wants no further attempt")
    return NotAccepted(f"the receiver answered {response.status}")


def _control(response: Response) -> str:
    return response.headers.get(DELIVERY_CONTROL, "").strip().lower()


def _prepare(endpoint_id: str, view: View, event: Envelope) -> Message:
    """The message to send. Raises Skipped when the endpoint takes no events now."""
    if reason := reason_to_skip(view, endpoint_id):
        raise Skipped(reason)
    endpoint = find_endpoint(view, endpoint_id)
    return Message(endpoint["url"], active_secrets(endpoint), event.as_cloudevent())


def _record(
    endpoint_id: str,
    tx: Transaction,
    event: Envelope,
    attempt: Attempt | None,
    error: BaseException | None,
) -> tuple[Document, BaseException | None]:
    """Note the result at the endpoint; returns the response for the delivery's log, and the error.

    An attempt that failed is skipped when the endpoint is deleted or disabled by now.
    """
    details: Document = {}
    if attempt:
        _, response, error = attempt
        is_heard = error is None or isinstance(error, Refused)
        refusal = refusal_of(response) if response else ""
        record_result(tx, endpoint_id, attempt.url, is_delivered=is_heard, refusal=refusal)
        details = _details(tx, event, response) if response else {}
    has_failed = error is not None and not isinstance(error, Refused)
    if has_failed and (reason := reason_to_skip(tx, endpoint_id)):
        error = Skipped(reason)
    return details, error


def _details(view: View, event: Envelope, response: Response) -> Document:
    """The part of a response that the delivery's log has.

    A receiver may repeat the event. So the text is left out when the customer was erased from the
    event meanwhile, and when the event says that one was erased.
    """
    stored = find_open_event(view, event.id)
    is_whole = stored is not None and stored["event"]["data"] == event.data
    is_kept = is_whole and event.type != CustomerForgotten.type
    return {"status": response.status} | ({"response": response.text} if is_kept else {})
