"""Lets a request pass, or refuses it, before any route runs.

A shop without keys and users serves its own machine only: whoever sits there may do everything. A
request that came through a proxy may come from anywhere, so it never counts as one of this machine.
As soon as there is a key or a user, everybody has to show who they are.
"""

import ipaddress
from functools import lru_cache

from flask import request

from app.auth.keys import KEYS, identity_of
from app.auth.permissions import PERMISSIONS, PUBLIC_ENDPOINTS
from app.auth.users import USERS
from app.config import Config
from app.errors import Forbidden, Unauthenticated, Unavailable
from app.http.identity import LOCAL, OPERATOR, PUBLIC, Identity, identify
from app.store import Store, View

FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via")
"""What proxies add to a request (RFC 7239, RFC 9110 section 7.6.3, and their forerunners)."""
_FORWARDED = frozenset(f"HTTP_{name.upper().replace('-', '_')}" for name in FORWARDED)
"""The same, as WSGI names headers."""


class Guard:
    """Tells who sends each request to one shop, and whether they may."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def admit(self) -> None:
        """Say who sends the request. Raises Unauthenticated or Forbidden when they may not."""
        endpoint = request.endpoint
        if endpoint is None:
            return  # no such address: whoever asks is told so
        identity = self._identity()
        identify(identity)
        if endpoint in PUBLIC_ENDPOINTS:
            return
        wanted = PERMISSIONS.get(endpoint, OPERATOR)
        if identity.may(wanted):
            return
        if identity is PUBLIC:
            raise Unauthenticated(
                "Show who you are: send an API key as `Authorization: Bearer KEY` "
                "(`flask key create` makes one)."
            )
        raise Forbidden(f"{identity.name} is a {identity.role}; this takes a key of a {wanted}.")

    def _identity(self) -> Identity:
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        with self._store.read() as view:
            if kind.lower() == "bearer":
                return _known(view, given.strip())
            if is_guarded(view):
                return PUBLIC
        return LOCAL if is_local_request() else PUBLIC


def is_guarded(view: View) -> bool:
    """Whether everybody has to show who they are: there is a key, or a user."""
    return view.count(KEYS.name) > 0 or view.count(USERS.name) > 0


def is_local_request() -> bool:
    """Whether the request was made on this machine, and came straight from there."""
    if not _FORWARDED.isdisjoint(request.environ):
        return False
    return _is_loopback_address(request.remote_addr or "")


def refuse_open_house(store: Store, config: Config) -> None:
    """Raise Unavailable when other machines could reach a shop that asks nobody who they are.

    Also when nobody has said by which names they may call it.
    """
    if is_loopback(config.host):
        return
    with store.read() as view:
        is_open = not is_guarded(view)
    if is_open:
        raise Unavailable(
            f"Other machines can reach {config.host}, and this shop has neither keys nor users: "
            "anybody could do anything. Make one with `flask key create --role operator --name "
            "NAME` or `flask user create NAME --role operator`, or leave DAYBOOK_HOST at 127.0.0.1."
        )
    if not config.trusted_hosts:
        raise Unavailable(
            "Set DAYBOOK_TRUSTED_HOSTS to the names and addresses by which other machines call "
            "this shop, such as shop.example,192.0.2.7."
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on `host`."""
    return host == "localhost" or _is_loopback_address(host)


@lru_cache(maxsize=64)
def _is_loopback_address(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _known(view: View, key: str) -> Identity:
    identity = identity_of(view, key)
    if identity is None:
        raise Unauthenticated("This API key is not known here, or was revoked.")
    return identity
