"""Signing in with name and password: counted, checked, and answered with a new session.

The log has the address of each that was refused, and never the name: people type passwords there.
"""

import logging

from app.auth import passwords, sessions, sign_in_throttle
from app.auth.users import USERS, refuse_taken
from app.kernel.errors import Unauthenticated
from app.kernel.identity import Identity
from app.store import Document, Store

log = logging.getLogger(__name__)


def sign_in(store: Store, name: str, password: str, address: str, old_token: str = "") -> str:
    """Begin a session for `name` and return its token; the one of `old_token` ends.

    Raises Unauthenticated when name or password is wrong, without saying which, TooMany after many
    attempts, and Unavailable while too many people sign in.
    """
    name = name.strip().lower()
    with store.transaction() as tx:
        sign_in_throttle.count(tx, name, address)
    with store.read() as view:
        user = view.get(USERS.name, name)
    is_right = passwords.is_right(user["hash"] if user else None, password)
    if user is None or not is_right:
        log.warning("a sign-in from %s was refused", ascii(address))
        raise _wrong()
    return _begin(store, user, address, old_token)


def sign_in_as(store: Store, who: Identity, issuer: str, old_token: str = "") -> str:
    """Begin a session for a person of a provider and return its token; that of `old_token` ends.

    Raises Conflict for a name that stands for somebody else in the books already.
    """
    with store.transaction() as tx:
        refuse_taken(tx, who.name)
        sessions.end(tx, old_token)
        return sessions.begin(tx, who, issuer)


def _begin(store: Store, user: Document, address: str, old_token: str) -> str:
    with store.transaction() as tx:
        if tx.get(USERS.name, user["name"]) != user:
            raise _wrong()  # removed or changed while the password was worked out
        sign_in_throttle.forgive(tx, user["name"], address)
        sessions.end(tx, old_token)
        return sessions.begin(tx, Identity(user["name"], user["role"]))


def _wrong() -> Unauthenticated:
    return Unauthenticated("Name or password is not right.")
