"""The rules of webhook endpoints: the only code that changes them.

Every function works in the caller's transaction. A change of the types or of `enabled` changes the
subscription in the same transaction (app/events/subscriptions.py), so an event is delivered to the
endpoints as they are when it is emitted.
"""

from app.events.outbox import emit
from app.events.subscriptions import subscribe, subscriber_name
from app.events.types import WebhookDisabled
from app.kernel import clock
from app.kernel.errors import Conflict, NotFound
from app.kernel.versions import Versions, details_version, refuse_stale
from app.store import Document, Transaction, View
from app.webhooks.documents import WEBHOOKS
from app.webhooks.schemas import MAX_SECRETS

GROUP = "webhook"
"""The group of the handlers of endpoints: the handler of one is `webhook:ID`."""

MAX_ENDPOINTS = 50
OVERLAP_S = 24 * 3600.0
"""How long an old secret signs beside the new one."""

MAX_FAILING_S = 5 * 24 * 3600.0
"""Nothing but failures for so long disables an endpoint."""

SHOWN = (
    *("webhook_id", "url", "types", "description", "enabled", "disabled_reason", "failing_since"),
    *("created", "updated", "changed_by", "version", "details_version"),
)
"""The fields that callers see: all but the secrets."""

TOLD = ("webhook_id", "types", "description", "disabled_reason")
"""The fields that an event has: not the URL, which may have the receiver's password, while clerks
and other systems read events."""


def handler_name(endpoint_id: str) -> str:
    """The handler of an endpoint, as the outbox lists it."""
    return subscriber_name(GROUP, endpoint_id)


def shown(endpoint: Document) -> Document:
    """An endpoint without its secrets."""
    return {name: endpoint[name] for name in SHOWN if name in endpoint}


def find_endpoint(view: View, endpoint_id: str) -> Document:
    """The endpoint with its secrets. Raises NotFound."""
    endpoint = view.get(WEBHOOKS.name, endpoint_id)
    if endpoint is None:
        raise NotFound(f"There is no webhook {endpoint_id[:40]}.")
    return endpoint


def active_secrets(endpoint: Document) -> list[str]:
    """The secrets that sign now, newest first."""
    now = clock.now()
    return [
        each["secret"]
        for each in endpoint["secrets"]
        if each["expires"] is None or each["expires"] > now
    ]


def create_endpoint(tx: Transaction, request: Document, secret: str, by: str) -> Document:
    """Add an endpoint with its `secret`; returns it. Raises Conflict above MAX_ENDPOINTS."""
    if tx.count(WEBHOOKS.name) >= MAX_ENDPOINTS:
        raise Conflict(f"There are {MAX_ENDPOINTS} webhooks, which is the limit; delete one first.")
    endpoint = {
        "webhook_id": tx.new_id(),
        "url": request["url"],
        "types": request["types"],
        "description": request.get("description", ""),
        "enabled": request.get("enabled", True),
        "disabled_reason": "",
        "failing_since": None,
        "created": clock.now(),
        "secrets": [{"secret": secret, "expires": None}],
        "version": 0,
    }
    return _save_details(tx, endpoint, by)


def change_endpoint(
    tx: Transaction, endpoint_id: str, patch: Document, expected: Versions, by: str
) -> Document:
    """Apply a merge patch; returns the endpoint after it. Raises NotFound and Stale.

    Enabling it forgets why it was disabled, and its failures; so does another URL.
    """
    before = _find_current(tx, endpoint_id, expected)
    after = before | patch
    if after == before:
        return before
    if after["url"] != before["url"]:
        after["failing_since"] = None
    if after["enabled"] and not before["enabled"]:
        after |= {"disabled_reason": "", "failing_since": None}
    return _save_details(tx, after, by)


def delete_endpoint(tx: Transaction, endpoint_id: str, expected: Versions) -> None:
    """Delete an endpoint. Raises NotFound and Stale.

    Its pending deliveries end when they are due; its failures are the caller's to discard.
    """
    _find_current(tx, endpoint_id, expected)
    tx.delete(WEBHOOKS.name, endpoint_id)
    subscribe(tx, handler_name(endpoint_id), [])


def rotate_secret(
    tx: Transaction, endpoint_id: str, secret: str, expected: Versions, by: str
) -> Document:
    """Give the endpoint a new `secret`; returns the endpoint. Raises NotFound and Stale.

    The secret before it signs for OVERLAP_S more; an older one ends at once.
    """
    endpoint = _find_current(tx, endpoint_id, expected)
    before = endpoint["secrets"][0] | {"expires": clock.ago(-OVERLAP_S)}
    secrets = [{"secret": secret, "expires": None}, before]
    return _save_details(tx, endpoint | {"secrets": secrets[:MAX_SECRETS]}, by)


def reason_to_skip(view: View, endpoint_id: str) -> str:
    """Why the endpoint gets no events now; empty when it does."""
    endpoint = view.get(WEBHOOKS.name, endpoint_id)
    if endpoint is None:
        return "not delivered: the webhook was deleted"
    return "" if endpoint["enabled"] else "not delivered: the webhook is disabled"


def record_result(
    tx: Transaction, endpoint_id: str, url: str, *, is_delivered: bool, refusal: str = ""
) -> None:
    """Note the result of an attempt to send to `url`.

    Disables the endpoint when it has failed for MAX_FAILING_S, and at once with a `refusal`: the
    receiver wants no more events. Nothing happens to an endpoint that was deleted, disabled or
    given another URL meanwhile.
    """
    endpoint = tx.get(WEBHOOKS.name, endpoint_id)
    if endpoint is None or not endpoint["enabled"] or endpoint["url"] != url:
        return
    since, now = endpoint["failing_since"], clock.now()
    if refusal:
        _disable(tx, endpoint, refusal)
    elif is_delivered:
        if since:
            _save_result(tx, endpoint | {"failing_since": None})
    elif since is None or since > now:  # later: the clock was ahead
        _save_result(tx, endpoint | {"failing_since": now})
    elif since < clock.ago(MAX_FAILING_S):
        _disable(tx, endpoint, f"nothing but failures since {since}")


def _disable(tx: Transaction, endpoint: Document, reason: str) -> None:
    """Disable an endpoint, and tell the manager."""
    disabled = endpoint | {"enabled": False, "disabled_reason": reason}
    subscribe(tx, handler_name(endpoint["webhook_id"]), [])
    saved = _save_result(tx, disabled)
    told = {name: saved[name] for name in TOLD}
    emit(tx, WebhookDisabled(saved["webhook_id"], {"webhook": told}))


def _find_current(view: View, endpoint_id: str, expected: Versions) -> Document:
    """The endpoint. Raises NotFound, and Stale when a person has changed it since."""
    endpoint = find_endpoint(view, endpoint_id)
    refuse_stale("The webhook", endpoint, expected, oldest=details_version(endpoint))
    return endpoint


def _save_details(tx: Transaction, endpoint: Document, by: str) -> Document:
    """Store what a person changed, and the subscription that follows from it."""
    patterns = endpoint["types"] if endpoint["enabled"] else []
    subscribe(tx, handler_name(endpoint["webhook_id"]), patterns)
    version = endpoint["version"] + 1
    details = {"changed_by": by, "updated": clock.now(), "details_version": version}
    return _save(tx, endpoint | details | {"version": version})


def _save_result(tx: Transaction, endpoint: Document) -> Document:
    """Store what deliveries changed: it makes a new version, but no change of a person is stale."""
    details = {"details_version": details_version(endpoint), "updated": clock.now()}
    return _save(tx, endpoint | details | {"version": endpoint["version"] + 1})


def _save(tx: Transaction, endpoint: Document) -> Document:
    tx.put(WEBHOOKS.name, endpoint)
    return endpoint
