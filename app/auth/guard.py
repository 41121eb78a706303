"""Authenticates and authorizes each request before its view runs.

A shop without keys, users and identity provider serves local requests only, as an operator. A
request that came through a proxy may come from anywhere, so it never counts as local.
"""

import ipaddress
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING

from flask import request

from app.auth import keys, sessions, users
from app.auth.permissions import PERMISSIONS, PROBES, PUBLIC_ENDPOINTS
from app.config import Config
from app.http.requests.head import HTTP_1_0
from app.http.security.identity import identify, require_role
from app.http.security.origin import SAFE_METHODS
from app.http.security.proxies import PROXIED
from app.kernel.errors import Unauthenticated, Unavailable
from app.kernel.identity import LOCAL, OPERATOR, PUBLIC, Identity
from app.store import Store, View

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

PROXY_HEADERS = (
    "Via",
    "X-Original-",
    "X-Proxy",
    "Proxy-",
    "Cdn-Loop",
    "X-Remote-",
    "Akamai-",
    "X-Akamai-",
    "X-Amz",
    "X-Appengine-",
    "X-Arr-",
    "X-Azure-",
    "X-Cloud-",
    "Cf-",
    "Cloudfront-",
    "X-Envoy-",
    "Fastly-",
    "Fly-",
    "Ngrok-",
    "Tailscale-",
    "X-Varnish",
    "X-Vercel-",
    "Wl-Proxy-",
)
"""Beginnings of headers that proxies and CDNs add (RFC 7239, RFC 8586, RFC 9110, 7.6.3, vendors).

nginx with nothing but proxy_pass adds none, but sends HTTP/1.0.
"""
CLIENT_ADDRESS_HEADERS = ("Forwarded", "Client-Ip", "ClientIp", "Real-Ip", "Connecting-Ip")
"""Parts of names of headers in which proxies and CDNs tell the client's address."""


def _in_environ(names: Iterable[str]) -> tuple[str, ...]:
    """These names, or parts of names, of headers as WSGI writes them."""
    return tuple(name.upper().replace("-", "_") for name in names)


_BEGINNINGS, _PARTS = _in_environ(PROXY_HEADERS), _in_environ(CLIENT_ADDRESS_HEADERS)


class Guard:
    """Authentication and authorization of the requests to one shop."""

    def __init__(self, store: Store, issuer: str = "") -> None:
        self._store = store
        self._issuer = issuer
        """The issuer of the identity provider; "" when there is none."""

    def authorize(self) -> None:
        """Set the identity of the request. Raises Unauthenticated, or Forbidden without its role.

        Nothing is checked at an unknown address, which becomes a 404, nor for a probe, which has to
        work while the store fails.
        """
        endpoint = request.endpoint
        if endpoint is None or endpoint in PROBES:
            return
        identify(self._identity(request.environ))
        if endpoint not in PUBLIC_ENDPOINTS:
            require_role(PERMISSIONS.get(endpoint, OPERATOR))

    def _identity(self, environ: "WSGIEnvironment") -> Identity:
        scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        is_bearer = scheme.lower() == "bearer"
        if "HTTP_COOKIE" in environ and not is_bearer and (identity := self._session_identity()):
            return identity
        with self._store.read() as view:
            if is_bearer:
                if identity := keys.identity_of(view, token.strip()):
                    return identity
                raise Unauthenticated("This API key is unknown or revoked.")
            if requires_authentication(view, self._issuer):
                return PUBLIC
        return LOCAL if is_local_request() else PUBLIC

    def _session_identity(self) -> Identity | None:
        """The identity of the session cookie, which counts on pages, and in the API for reading.

        Forms of pages carry a CSRF token as well (app/web/layout/csrf.py); API requests have none.
        """
        token = sessions.cookie_token()
        is_page = (request.endpoint or "").startswith("web.")
        if not token or not (is_page or request.method in SAFE_METHODS):
            return None
        with self._store.read() as view:
            session = sessions.find(view, token)
            identity = users.identity_of(view, session, self._issuer) if session else None
        if session and identity:
            sessions.set_current_session(session)
            self._record_use(session)
        return identity

    def _record_use(self, session: sessions.Session) -> None:
        """Record that a person uses the session, when that is due.

        Requests of scripts do not count, so an open page that refreshes does not keep its session
        alive. While the store cannot be written, requests that read still succeed.
        """
        is_by_script = request.headers.get("Sec-Fetch-Dest", "document") == "empty"
        if is_by_script or not sessions.is_use_due(session):
            return
        with suppress(Unavailable):
            self._store.run_in_transaction(lambda tx: sessions.record_use(tx, session))


def requires_authentication(view: View, issuer: str = "") -> bool:
    """Whether the shop has a key, a user or an identity provider."""
    return bool(issuer) or view.count(keys.KEYS.name) > 0 or view.count(users.USERS.name) > 0


def is_local_request() -> bool:
    """Whether the request comes from this machine, and through no proxy that one can know of."""
    environ = request.environ
    if PROXIED in environ or environ["SERVER_PROTOCOL"] in HTTP_1_0:
        return False
    if not _is_loopback_address(environ.get("REMOTE_ADDR", "")):
        return False
    return not any(map(_is_added_by_proxy, environ))


def refuse_unprotected_remote_access(store: Store, config: Config) -> None:
    """Raise Unavailable when other machines could reach a shop without authentication.

    Also when DAYBOOK_TRUSTED_HOSTS does not name the hosts by which they reach it.
    """
    if is_loopback(config.host) and not config.trusted_proxies:
        return
    with store.read() as view:
        is_open = not requires_authentication(view, config.oidc_issuer or "")
    if is_open:
        proxied = " through a proxy" if is_loopback(config.host) else ""
        raise Unavailable(
            f"Other machines can reach {config.host}{proxied}, and this shop has neither keys nor "
            "users: anybody could do anything. Make one with `flask key create --role operator "
            "--name NAME` or `flask user create NAME --role operator`, or leave DAYBOOK_HOST at "
            "127.0.0.1 and DAYBOOK_TRUSTED_PROXIES unset."
        )
    if not config.trusted_hosts:
        raise Unavailable(
            "Set DAYBOOK_TRUSTED_HOSTS to the names and addresses by which other machines call "
            "this shop, such as shop.example,192.0.2.7."
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on `host`."""
    return host == "localhost" or _is_loopback_address(host)


@lru_cache(maxsize=1024)
def _is_added_by_proxy(name: str) -> bool:
    header = name.removeprefix("HTTP_")
    return header != name and (
        header.startswith(_BEGINNINGS) or any(part in header for part in _PARTS)
    )


@lru_cache(maxsize=64)
def _is_loopback_address(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
