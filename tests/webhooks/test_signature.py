"""The signature of Standard Webhooks, verified by its official library."""

import base64
from time import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from app.webhooks.signature import headers, new_secret

BODY = '{"type": "order.placed", "data": {"customer_name": "Zoë"}}'.encode()


def test_the_signature_is_that_of_the_standard() -> None:
    """The secret, message and signature are the example of the standard's own tests."""
    signed = headers(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert signed == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_each_secret_of_a_rotation_verifies() -> None:
    """With two secrets there are two signatures, and a receiver that knows either is content."""
    old, new = new_secret(), new_secret()
    signed = headers([new, old], "event-1", int(time()), BODY)
    assert len(signed["webhook-signature"].split(" ")) == 2
    for secret in (old, new):
        assert Webhook(secret).verify(BODY, signed)["data"]["customer_name"] == "Zoë"
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(BODY, signed)


@pytest.mark.parametrize("change", ["id", "timestamp", "body"])
def test_what_is_signed_cannot_be_changed(change: str) -> None:
    """Another id, time or body does not verify."""
    secret, now = new_secret(), int(time())
    signed = headers([secret], "event-1", now, BODY)
    changed = {"id": {"webhook-id": "event-2"}, "timestamp": {"webhook-timestamp": str(now - 1)}}
    body = BODY + b" " if change == "body" else BODY
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body, signed | changed.get(change, {}))


def test_a_secret_has_256_random_bits() -> None:
    """It is in the form of the standard, and no two are the same."""
    secret = new_secret()
    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
    assert secret != new_secret()
