"""Known devices: browsers in which a user has signed in before (OWASP, *Device Cookies*).

A known device has attempts of its own to sign in, so that strangers who guess a user's password do
not lock the user out. Its cookie is signed with the user's password hash: nothing is stored, and
another password makes all devices unknown.
"""

import hmac
import secrets

from app.http.security.derived_secret import derived_secret
from app.store import Document

COOKIE = "daybook_device"
MAX_AGE_S = 365 * 24 * 3600
"""The time that a browser keeps the cookie after the last sign-in."""


def new_device(user: Document) -> str:
    """The cookie of a device in which this user has just signed in."""
    device = secrets.token_urlsafe(16)
    return f"{device}.{_signature(user, device)}"


def known_device(user: Document | None, cookie: str) -> str:
    """The id of the device; "" for an unknown user, or a cookie that is not this user's."""
    device, _, signature = cookie.partition(".")
    if user is None or not device:
        return ""
    expected = _signature(user, device).encode()
    return device if hmac.compare_digest(expected, signature.encode("utf-8", "replace")) else ""


def _signature(user: Document, device: str) -> str:
    return derived_secret(user["hash"], f"device {user['name']} {device}")
