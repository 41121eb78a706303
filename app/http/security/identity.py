"""The identity of the request's caller; app/auth sets it before any route runs."""

from flask import g

from app.kernel.identity import PUBLIC, Identity


def identify(identity: Identity) -> None:
    """Set the caller of this request."""
    g.identity = identity


def current() -> Identity:
    """The caller of this request; PUBLIC when it has not been identified."""
    identity: Identity = g.get("identity", PUBLIC)
    return identity
