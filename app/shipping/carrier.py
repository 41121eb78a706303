"""The carrier's call-backs, signed by the Standard Webhooks scheme (standardwebhooks.com, 1.0).

The signature covers webhook-id, webhook-timestamp and the body, not the address: so the body has to
name what it is about, or a call-back about one shipment could be sent again about another.
"""

from flask import request
from standardwebhooks import Webhook, WebhookVerificationError

from app.http.requests.body import body_bytes
from app.kernel.errors import Forbidden, Malformed

WEBHOOK_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")


def refuse_unsigned(secret: str | None) -> None:
    """Raise Forbidden unless this request was signed with `secret` in the last five minutes.

    `secret` is base64, with or without the prefix whsec_; without one nobody can have signed.
    Raises Malformed when a header is missing.
    """
    if missing := [name for name in WEBHOOK_HEADERS if name not in request.headers]:
        raise Malformed(f"The call-back has no {', '.join(missing)}; carriers have to sign.")
    if not secret:
        raise Forbidden("Carriers cannot call back here: DAYBOOK_CARRIER_SECRET is not set.")
    body = body_bytes()
    try:
        Webhook(secret).verify(body, dict(request.headers), json_parse=False)
    except (WebhookVerificationError, ValueError):
        # ValueError: what is no base64, no UTF-8 or no list of signatures is no signature either
        raise Forbidden(
            "The call-back is not signed as it should be: webhook-signature must be the one of "
            "webhook-id, webhook-timestamp (of the last five minutes) and body."
        ) from None
