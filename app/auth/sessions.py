"""Sessions of people who signed in: a random token in a cookie, its hash in the store.

A session ends when its user signs out, is removed, or gets another password or role; after IDLE_S
without use; and in any case after MAX_AGE_S. Its use is recorded every USE_RECORD_INTERVAL_S at
most, so reading pages writes next to nothing.
"""

import hashlib
import secrets
from typing import NamedTuple

from flask import g
from marshmallow import fields

from app.http.security import cookies
from app.kernel import clock
from app.kernel.identity import STAFF_ROLES, Identity
from app.schema.fields import Choice
from app.schema.validation import stored_document_check
from app.store import Collection, Document, Transaction, View
from app.store.expiry import Expiry

COOKIE = "daybook_session"

IDLE_S = 2 * 3600.0
MAX_AGE_S = 12 * 3600.0
USE_RECORD_INTERVAL_S = 300.0
MAX_PER_USER = 20
"""A further sign-in ends the oldest session."""

_TOKEN_BYTES = 32

SESSIONS = Collection(
    name="sessions",
    key="session",
    sort=lambda session: str(session["began"]),
    indexes={"user": lambda session: [session["user"]]},
    listed=True,
    check=stored_document_check(
        user=fields.String(required=True),  # see Identity.id
        name=fields.String(),
        role=Choice(*STAFF_ROLES, required=True),
        issuer=fields.String(required=True),
        began=fields.String(required=True),
        seen=fields.String(required=True),
    ),
)
SESSIONS_EXPIRY = Expiry(SESSIONS, after_s=MAX_AGE_S, max_ahead_s=MAX_AGE_S)


class Session(NamedTuple):
    """A session: the token of its cookie, and its stored document."""

    token: str
    document: Document


def begin(tx: Transaction, identity: Identity, issuer: str = "") -> str:
    """Begin a session and return its token, 256 random bits.

    `issuer` is the provider that authenticated the person; "" for a user of this shop.
    """
    _end_surplus(tx, identity.id)
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    now = clock.now()
    session = {"session": _hash(token), "user": identity.id, "role": identity.role}
    session |= {"name": identity.name, "issuer": issuer, "began": now, "seen": now}
    tx.put(SESSIONS.name, session)
    return token


def find(view: View, token: str) -> Session | None:
    """The session of this token; None when there is none, or it has expired."""
    session = view.get(SESSIONS.name, _hash(token))
    if session is None or _is_expired(session):
        return None
    return Session(token, session)


def is_use_due(session: Session) -> bool:
    """Whether the use of the session has to be recorded again."""
    return not clock.is_within(session.document["seen"], USE_RECORD_INTERVAL_S)


def record_use(tx: Transaction, session: Session) -> None:
    """Record that the session is used now; no effect when it has ended meanwhile."""
    stored = tx.get(SESSIONS.name, session.document["session"])
    if stored is not None:
        tx.put(SESSIONS.name, stored | {"seen": clock.now()})


def end(tx: Transaction, token: str) -> None:
    """End the session of this token, if there is one."""
    tx.delete(SESSIONS.name, _hash(token))


def end_all(tx: Transaction, user: str) -> int:
    """End all sessions of a caller with the id `user`; returns how many there were."""
    sessions = tx.find(SESSIONS.name, {"user": user}).documents
    for session in sessions:
        tx.delete(SESSIONS.name, session["session"])
    return len(sessions)


def cookie_token() -> str:
    """The token in the session cookie of this request; "" without one."""
    return cookies.get_cookie(COOKIE)


def set_current_session(session: Session | None) -> None:
    """Set the session of this request."""
    g.session = session


def current_session() -> Session | None:
    """The session of this request."""
    session: Session | None = g.get("session")
    return session


def _is_expired(session: Document) -> bool:
    is_used = clock.is_within(session["seen"], IDLE_S)
    return not (is_used and clock.is_within(session["began"], MAX_AGE_S))


def _end_surplus(tx: Transaction, user: str) -> None:
    """End the oldest sessions of this user, so that there is room for one more."""
    own = tx.find(SESSIONS.name, {"user": user}).documents
    for session in own[: 1 - MAX_PER_USER]:
        tx.delete(SESSIONS.name, session["session"])


def _hash(token: str) -> str:
    """The hash by which a token is stored: neither a copy of the store nor timing reveals it."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
