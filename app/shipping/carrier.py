"""The signature of the carrier's call-backs: Standard Webhooks (standardwebhooks.com, 1.0).

It covers webhook-id, webhook-timestamp and the body, but not the address. The body must therefore
name its shipment, or a call-back about one shipment could be repeated for another.
"""

from collections.abc import Mapping

from standardwebhooks import Webhook, WebhookVerificationError

from app.kernel.errors import Forbidden, Malformed

WEBHOOK_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")


def verify_signature(secret: str | None, headers: Mapping[str, str], body: bytes) -> None:
    """Raise Forbidden unless the call-back was signed with `secret` in the last five minutes.

    The names of `headers` are in any case. `secret` is base64, with or without the prefix whsec_;
    without a secret every call-back is refused. Raises Malformed when a header is missing.
    """
    sent = {name.lower() for name in headers}
    if missing := [name for name in WEBHOOK_HEADERS if name not in sent]:
        raise Malformed(f"The call-back has no {', '.join(missing)}; carriers have to sign.")
    if not secret:
        raise Forbidden("Carriers cannot call back here: DAYBOOK_CARRIER_SECRET is not set.")
    try:
        Webhook(secret).verify(body, dict(headers), json_parse=False)
    except (WebhookVerificationError, ValueError):
        # ValueError: the signature is not base64, not UTF-8 or not a list of signatures
        raise Forbidden(
            "The call-back is not signed as it should be: webhook-signature must be the one of "
            "webhook-id, webhook-timestamp (of the last five minutes) and body."
        ) from None
