"""Sign-in: verifies a password, or takes a provider's word, and begins a session.

The log has the address of each refused attempt, and never the name: people type passwords there.
"""

import logging

from app.auth import passwords, sessions, sign_in_throttle
from app.auth.users import USERS, refuse_taken_name
from app.kernel.errors import Unauthenticated
from app.kernel.identity import Identity
from app.store import Store

log = logging.getLogger(__name__)


def sign_in(store: Store, name: str, password: str, address: str, old_token: str = "") -> str:
    """Begin a session for the user `name` and return its token; that of `old_token` ends.

    Raises Unauthenticated when name or password is wrong, without saying which, TooMany after too
    many attempts, and Unavailable while too many people sign in.
    """
    name = name.strip().lower()
    with store.transaction() as tx:
        sign_in_throttle.count_attempt(tx, name, address)
    with store.read() as view:
        user = view.get(USERS.name, name)
    is_right = passwords.verify_password(user["hash"] if user else None, password)
    if user is None or not is_right:
        log.warning("a sign-in from %s was refused", ascii(address))
        raise _wrong_credentials()
    with store.transaction() as tx:
        if tx.get(USERS.name, name) != user:  # removed or changed during the verification
            raise _wrong_credentials()
        sign_in_throttle.record_success(tx, name, address)
        sessions.end(tx, old_token)
        return sessions.begin(tx, Identity(name, user["role"]))


def sign_in_as(store: Store, identity: Identity, issuer: str, old_token: str = "") -> str:
    """Begin a session for a person whom a provider authenticated; that of `old_token` ends.

    Returns the new token. Raises Conflict when a user or a key of this shop has the name.
    """
    with store.transaction() as tx:
        refuse_taken_name(tx, identity.name)
        sessions.end(tx, old_token)
        return sessions.begin(tx, identity, issuer)


def _wrong_credentials() -> Unauthenticated:
    return Unauthenticated("The name or the password is wrong.")
