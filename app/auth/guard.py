"""Lets a request pass, or refuses it, before any route runs.

A shop without keys and users serves its own machine only: whoever sits there may do everything. A
request that came through a proxy may come from anywhere, so it never counts as one of this machine.
As soon as there is a key or a user, everybody has to show who they are.
"""

import ipaddress
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING

from flask import request

from app.auth import keys, sessions, users
from app.auth.permissions import PERMISSIONS, PROBES, PUBLIC_ENDPOINTS
from app.config import Config
from app.http.security.identity import identify
from app.http.security.origin import SAFE
from app.http.security.proxies import PROXIED
from app.kernel.errors import Forbidden, Unauthenticated, Unavailable
from app.kernel.identity import LOCAL, OPERATOR, PUBLIC, Identity
from app.store import Store, View

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

FORWARDED = (
    *("Forwarded", "Via", "X-Real-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "True-Client-Ip"),
    *("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port"),
    *("X-Forwarded-Server", "X-Forwarded-Prefix", "X-Original-Forwarded-For", "Cf-Connecting-Ip"),
)
"""What proxies add to a request (RFC 7239, RFC 9110 section 7.6.3, their forerunners, and what some
makers have of their own)."""
_FORWARDED = frozenset(f"HTTP_{name.upper().replace('-', '_')}" for name in FORWARDED)
"""The same, as WSGI names headers."""


class Guard:
    """Tells who sends each request to one shop, and whether they may."""

    def __init__(self, store: Store, issuer: str = "") -> None:
        self._store = store
        self._issuer = issuer
        """The provider that answers for people; "" when there is none."""

    def admit(self) -> None:
        """Say who sends the request. Raises Unauthenticated or Forbidden when they may not."""
        endpoint = request.endpoint
        if endpoint is None or endpoint in PROBES:
            return  # no such address: whoever asks is told so. Probes ask when the store fails, too
        identity = self._identity(request.environ)
        identify(identity)
        if endpoint in PUBLIC_ENDPOINTS:
            return
        wanted = PERMISSIONS.get(endpoint, OPERATOR)
        if identity.may(wanted):
            return
        if identity is PUBLIC:
            raise Unauthenticated(
                "Show who you are: send an API key as `Authorization: Bearer KEY` "
                "(`flask key create` makes one), or sign in on the page /sign-in."
            )
        raise Forbidden(
            f"This takes the role {wanted}; {identity.name} has the role {identity.role}."
        )

    def _identity(self, environ: "WSGIEnvironment") -> Identity:
        kind, _, given = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        if "HTTP_COOKIE" in environ and kind.lower() != "bearer" and (who := self._signed_in()):
            return who
        with self._store.read() as view:
            if kind.lower() == "bearer":
                return _known(view, given.strip())
            if is_guarded(view, self._issuer):
                return PUBLIC
        return LOCAL if is_local_request() else PUBLIC

    def _signed_in(self) -> Identity | None:
        """Whose browser it is, where a cookie counts: everywhere to read, to write on pages only.

        Their forms carry a token besides (app/web/layout/csrf.py), which requests to the API do
        not.
        """
        token = sessions.sent_token()
        is_page = (request.endpoint or "").startswith("web.")
        if not token or not (is_page or request.method in SAFE):
            return None
        with self._store.read() as view:
            session = sessions.find(view, token)
            identity = users.identity_of(view, session, self._issuer) if session else None
        if session and identity:
            sessions.remember(session)
            self._note_use(session)
        return identity

    def _note_use(self, session: sessions.Session) -> None:
        """Write down that the session is used, now and then, when it is by a person.

        An open page that asks for itself anew does not keep its session alive.
        """
        is_by_script = request.headers.get("Sec-Fetch-Dest", "document") == "empty"
        if is_by_script or not sessions.is_due(session):
            return
        # a shop that cannot write for the moment can still be read
        with suppress(Unavailable), self._store.transaction() as tx:
            sessions.touch(tx, session)


def is_guarded(view: View, issuer: str = "") -> bool:
    """Whether everybody has to show who they are: there is a key, a user or a provider."""
    return bool(issuer) or view.count(keys.KEYS.name) > 0 or view.count(users.USERS.name) > 0


def is_local_request() -> bool:
    """Whether the request was made on this machine, and came straight from there."""
    environ = request.environ
    if PROXIED in environ or not _FORWARDED.isdisjoint(environ):
        return False
    return _is_loopback_address(environ.get("REMOTE_ADDR", ""))


def refuse_open_house(store: Store, config: Config) -> None:
    """Raise Unavailable when other machines could reach a shop that asks nobody who they are.

    Also when nobody has said by which names they may call it.
    """
    if is_loopback(config.host) and not config.trusted_proxies:
        return
    with store.read() as view:
        is_open = not is_guarded(view, config.oidc_issuer or "")
    if is_open:
        raise Unavailable(
            f"Other machines can reach {_reached_by(config)}, and this shop has neither keys nor "
            "users: anybody could do anything. Make one with `flask key create --role operator "
            "--name NAME` or `flask user create NAME --role operator`, or leave DAYBOOK_HOST at "
            "127.0.0.1 and DAYBOOK_TRUSTED_PROXIES unset."
        )
    if not config.trusted_hosts:
        raise Unavailable(
            "Set DAYBOOK_TRUSTED_HOSTS to the names and addresses by which other machines call "
            "this shop, such as shop.example,192.0.2.7."
        )


def _reached_by(config: Config) -> str:
    return f"{config.host} through a proxy" if is_loopback(config.host) else config.host


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
    identity = keys.identity_of(view, key)
    if identity is None:
        raise Unauthenticated("This API key is not known here, or was revoked.")
    return identity
