"""The identity of the request's caller; app/auth sets it before any route runs."""

from flask import g

from app.kernel.errors import Forbidden, Unauthenticated
from app.kernel.identity import PUBLIC, Identity


def identify(identity: Identity) -> None:
    """Set the caller of this request."""
    g.identity = identity


def current() -> Identity:
    """The caller of this request; PUBLIC when it has not been identified."""
    identity: Identity = g.get("identity", PUBLIC)
    return identity


def require_role(role: str) -> None:
    """Raise Unauthenticated for an anonymous caller, Forbidden for one without the role."""
    caller = current()
    if caller.may(role):
        return
    if caller is PUBLIC:
        raise Unauthenticated(
            "Send an API key as `Authorization: Bearer KEY` (`flask key create` makes one), or "
            "sign in on the page /sign-in."
        )
    raise Forbidden(
        f"You need the {role} role for this; you are signed in as {caller.label} ({caller.role})."
    )
