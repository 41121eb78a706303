"""Sign-in: verifies a password, or accepts a provider's identity, and begins a session.

The log has the address of each refused attempt, and never the name: people type passwords there.
"""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from app.auth import devices, passwords, sessions, sign_in_throttle
from app.auth.users import USERS, refuse_taken_name
from app.kernel.errors import Unauthenticated
from app.kernel.identity import Identity
from app.store import Store, Transaction

if TYPE_CHECKING:
    from app.auth.oidc import OidcProvider

log = logging.getLogger(__name__)


class SignedIn(NamedTuple):
    """A new session's token, and the cookie by which the browser is known from now on."""

    token: str
    device: str


def sign_in(
    store: Store, name: str, password: str, address: str, *, old_token: str = "", device: str = ""
) -> SignedIn:
    """Begin a session for the user `name`; that of `old_token` ends.

    `device` is the cookie of devices.py. Raises Unauthenticated when name or password is wrong,
    without saying which, TooMany after too many attempts, and Unavailable while too many people
    sign in.
    """
    name = name.strip().lower()

    def count_attempt(tx: Transaction) -> str:
        known = devices.known_device(tx.get(USERS.name, name), device)
        sign_in_throttle.count_attempt(tx, name, address, known)
        return known

    known = store.run_in_transaction(count_attempt)
    with store.read() as view:
        user = view.get(USERS.name, name)
    is_right = passwords.verify_password(user["hash"] if user else None, password)
    if user is None or not is_right:
        log.warning("a sign-in from %s was refused", ascii(address))
        raise _wrong_credentials()

    def begin_session(tx: Transaction) -> str:
        if tx.get(USERS.name, name) != user:  # removed or changed during the verification
            raise _wrong_credentials()
        sign_in_throttle.record_success(tx, name, address, known)
        sessions.end(tx, old_token)
        return sessions.begin(tx, Identity(name, user["role"]))

    return SignedIn(store.run_in_transaction(begin_session), devices.new_device(user))


def sign_in_by_provider(
    store: Store,
    provider: "OidcProvider",
    secret: str,
    parameters: Mapping[str, str],
    redirect_uri: str,
    address: str,
    *,
    old_token: str = "",
) -> str:
    """Begin a session for the person whom the provider sent back; that of `old_token` ends.

    `secret` is that of the browser's cookie; a callback counts for its address until it succeeds.
    Returns the new token. Raises TooMany after too many callbacks that failed, Conflict when a user
    or a key of this shop has the name, and what the methods of `provider` raise.
    """
    code = provider.authorization_code(secret, parameters)
    store.run_in_transaction(lambda tx: sign_in_throttle.count_address(tx, address))
    identity = provider.fetch_identity(secret, redirect_uri, code)

    def begin_session(tx: Transaction) -> str:
        refuse_taken_name(tx, identity.label)
        sign_in_throttle.uncount_address(tx, address)
        sessions.end(tx, old_token)
        return sessions.begin(tx, identity, provider.issuer)

    return store.run_in_transaction(begin_session)


def _wrong_credentials() -> Unauthenticated:
    return Unauthenticated("The name or the password is wrong.")
