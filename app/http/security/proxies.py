"""Trusted proxies: the client's address and scheme from X-Forwarded-For and -Proto.

Anybody can send these headers. They count only from an address in DAYBOOK_TRUSTED_PROXIES, and only
their last entry, which that proxy added itself. A request through any proxy, trusted or not, never
counts as local (app/auth/guard.py).
"""

import ipaddress
from collections.abc import Collection, Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING

from werkzeug.middleware.proxy_fix import ProxyFix

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Network = IPv4Network | IPv6Network

PROXIED = "daybook.proxied"
"""Key in the WSGI environment of requests from a trusted proxy."""


def trust_proxies(proxies: Collection[Network], app: "WSGIApplication") -> "WSGIApplication":
    """WSGI middleware that takes the client's address and scheme from requests of `proxies`."""
    if not proxies:
        return app
    proxy_fix = ProxyFix(app, x_for=1, x_proto=1)

    @lru_cache(maxsize=64)
    def is_trusted(address: str) -> bool:
        return any(ipaddress.ip_address(address) in network for network in proxies)

    def middleware(environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        if not is_trusted(environ["REMOTE_ADDR"]):
            return app(environ, start)
        environ[PROXIED] = True
        return proxy_fix(environ, start)

    return middleware
