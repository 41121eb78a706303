"""Sessions of people who signed in: a random token in their cookie, its hash in the store.

A session ends when its user signs out, is removed, or is given another password or role; when
nobody has used it for IDLE_S; and LONGEST_S after it began, whatever happens. When it was last used
is written down every TOUCH_S at most, so reading pages costs the journal next to nothing.
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
from app.schema.validation import kept
from app.store import Collection, Document, Transaction, View

COOKIE = "daybook_session"

IDLE_S = 2 * 3600.0
LONGEST_S = 12 * 3600.0
TOUCH_S = 300.0
MOST_PER_USER = 20
"""Who signs in more often loses the oldest session."""

_SWEPT = 20
_TOKEN_BYTES = 32

SESSIONS = Collection(
    name="sessions",
    key="session",
    sort=lambda session: str(session["began"]),
    indexes={"user": lambda session: [session["user"]]},
    listed=True,
    check=kept(
        user=fields.String(required=True),
        role=Choice(*STAFF_ROLES, required=True),
        issuer=fields.String(required=True),
        began=fields.String(required=True),
        seen=fields.String(required=True),
    ),
)


class Session(NamedTuple):
    """The session that the present request belongs to."""

    token: str
    document: Document


def begin(tx: Transaction, identity: Identity, issuer: str = "") -> str:
    """Begin a session and return its token, 256 random bits.

    `issuer` is the provider that answers for the person; "" for a user of this shop.
    """
    _sweep(tx, identity.name)
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    now = clock.now()
    session = {"session": _hash(token), "user": identity.name, "role": identity.role}
    tx.put(SESSIONS.name, session | {"issuer": issuer, "began": now, "seen": now})
    return token


def find(view: View, token: str) -> Session | None:
    """The session of this token; None when there is none, or its time is over."""
    session = view.get(SESSIONS.name, _hash(token))
    if session is None or _is_over(session):
        return None
    return Session(token, session)


def is_due(session: Session) -> bool:
    """Whether its use has to be written down."""
    return bool(session.document["seen"] < clock.ago(TOUCH_S))


def touch(tx: Transaction, session: Session) -> None:
    """The session was used just now; nothing happens when it has ended meanwhile."""
    found = tx.get(SESSIONS.name, session.document["session"])
    if found is not None:
        tx.put(SESSIONS.name, found | {"seen": clock.now()})


def end(tx: Transaction, token: str) -> None:
    """Sign out here."""
    tx.delete(SESSIONS.name, _hash(token))


def end_all(tx: Transaction, user: str) -> int:
    """Sign the user out everywhere; returns in how many places that was."""
    sessions = tx.find(SESSIONS.name, {"user": user}).documents
    for session in sessions:
        tx.delete(SESSIONS.name, session["session"])
    return len(sessions)


def sent_token() -> str:
    """The token in the cookie of the request that is being answered; "" without one."""
    return cookies.read_cookie(COOKIE)


def remember(session: Session | None) -> None:
    """The request that is being answered belongs to `session`."""
    g.session = session


def current_session() -> Session | None:
    """The session of the request that is being answered."""
    session: Session | None = g.get("session")
    return session


def _is_over(session: Document) -> bool:
    return bool(session["seen"] < clock.ago(IDLE_S) or session["began"] < clock.ago(LONGEST_S))


def _sweep(tx: Transaction, user: str) -> None:
    """Remove what nobody can use any more, and what is too much of this user."""
    oldest = tx.find(SESSIONS.name, limit=_SWEPT).documents
    own = tx.find(SESSIONS.name, {"user": user}).documents
    for session in [each for each in oldest if _is_over(each)] + own[: 1 - MOST_PER_USER]:
        tx.delete(SESSIONS.name, session["session"])


def _hash(token: str) -> str:
    """What the store knows of a token; so neither a copy of it nor its timing tells a token."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
