"""The signature of a webhook: Standard Webhooks 1.0 (standardwebhooks.com), symmetric.

It covers the id of the message, the time of the attempt and the body. A receiver verifies it with
any library of the standard.
"""

import base64
import secrets as random
from collections.abc import Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook

SECRET_BYTES = 32
"""The random bytes of a secret; the standard asks for 24 to 64."""


def new_secret() -> str:
    """A random secret in the standard's form: `whsec_` and base64."""
    return "whsec_" + base64.b64encode(random.token_bytes(SECRET_BYTES)).decode()


def headers(secrets: Sequence[str], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers that identify and sign one attempt to send `body`, which is UTF-8.

    `message_id` stays the same through all attempts; `timestamp` is that of the attempt, in Unix
    seconds. While a secret is being replaced, `secrets` has both, and a receiver that knows one of
    them accepts the message.
    """
    moment, text = datetime.fromtimestamp(timestamp, UTC), body.decode()
    signatures = [Webhook(secret).sign(message_id, moment, text) for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }
