"""Derived secrets: independent values for several purposes, made from one random secret."""

import base64
import hashlib
import hmac


def derived_secret(secret: str, purpose: str, size_bytes: int = 32) -> str:
    """The HMAC-SHA-256 of `purpose` under `secret`, cut to `size_bytes`, in base64url.

    It reveals neither the secret nor the values for other purposes.
    """
    digest = hmac.digest(secret.encode(), purpose.encode("utf-8", "replace"), hashlib.sha256)
    return base64.urlsafe_b64encode(digest[:size_bytes]).decode().rstrip("=")
