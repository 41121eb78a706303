"""Requests through a proxy: what it says of a client counts only where the proxy is declared.

Anybody can send X-Forwarded-For. It is believed from an address in DAYBOOK_TRUSTED_PROXIES, and
only the last entry, which that proxy added itself. Whoever comes through a proxy, declared or not,
never counts as sitting at this machine (app/auth/guard.py).
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
"""Set in the WSGI environment of requests that a declared proxy has passed on."""


def behind(proxies: Collection[Network], app: "WSGIApplication") -> "WSGIApplication":
    """`app`, which sees the client's address and scheme where one of `proxies` tells them."""
    if not proxies:
        return app
    networks = tuple(proxies)
    believing = ProxyFix(app, x_for=1, x_proto=1)

    @lru_cache(maxsize=64)
    def is_declared(address: str) -> bool:
        return any(ipaddress.ip_address(address) in network for network in networks)

    def answer(environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        if not is_declared(environ["REMOTE_ADDR"]):
            return app(environ, start)
        environ[PROXIED] = True
        return believing(environ, start)

    return answer
