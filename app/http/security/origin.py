"""Protection from other web sites: checks of origin and host, and security response headers.

Browsers send the origin of a request in Sec-Fetch-Site (W3C Fetch Metadata), older ones in Origin.
Other clients send neither, and are let through. A site whose name resolves to this machine (DNS
rebinding) counts as the same origin, so the Host header is checked as well.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import request
from werkzeug.exceptions import MisdirectedRequest

from app.kernel.errors import Forbidden

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})

SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
"""The headers of every response, unless its route sets other values."""

REVALIDATED = "private, no-cache"
"""Cache-Control of a response with an ETag: a client may keep it, and asks each time (RFC 9111)."""

HSTS = "max-age=31536000"
"""Browsers that came by TLS must use TLS for a year (RFC 6797)."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def refuse_cross_site_requests() -> None:
    """Raise Forbidden for an unsafe request that a page of another origin sent."""
    environ = request.environ
    if environ["REQUEST_METHOD"] in SAFE_METHODS:
        return
    site = environ.get("HTTP_SEC_FETCH_SITE")
    if site is None:
        origin = environ.get("HTTP_ORIGIN")
        is_same_origin = origin is None or origin.partition("://")[2] == request.host
    else:
        is_same_origin = site in ("same-origin", "none")
    if not is_same_origin:
        raise Forbidden("This request comes from a page of another site, which is not allowed.")


def trusted_host_check(names: frozenset[str], probes: frozenset[str]) -> Callable[[], None]:
    """A check that Host is one of `names` (lower case, without port).

    It raises MisdirectedRequest otherwise (421, RFC 9110, 15.5.20). A request without Host
    (HTTP/1.0) passes: it comes from no browser. So does one to an endpoint in `probes`: load
    balancers call health checks by the server's address, and these tell strangers nothing else.
    """

    def check_host() -> None:
        host = request.environ.get("HTTP_HOST", "")
        if host and _host_name(host) not in names and request.endpoint not in probes:
            raise MisdirectedRequest(
                "This host name is not trusted; the operator can add it to DAYBOOK_TRUSTED_HOSTS."
            )

    return check_host


def with_security_headers(application: "WSGIApplication") -> "WSGIApplication":
    """WSGI middleware that adds SECURITY_HEADERS to each response that does not set them itself.

    Here it costs a tenth of what Flask's after_request does.
    """

    def middleware(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        def start(
            status: str, headers: list[tuple[str, str]], *error: "OptExcInfo | None"
        ) -> Callable[[bytes], object]:
            present = {name.title() for name, _ in headers}
            if "Etag" in present and "Cache-Control" not in present:
                headers = [*headers, ("Cache-Control", REVALIDATED)]
                present.add("Cache-Control")
            added = [header for header in SECURITY_HEADERS.items() if header[0] not in present]
            if environ["wsgi.url_scheme"] == "https":
                added += _hsts(environ)
            return start_response(status, headers + added, *error)

        return application(environ, start)

    return middleware


def _hsts(environ: "WSGIEnvironment") -> list[tuple[str, str]]:
    """HSTS, except for the local host names, which other services share."""
    if _host_name(environ.get("HTTP_HOST", "")) in LOCAL_HOSTS:
        return []
    return [("Strict-Transport-Security", HSTS)]


@lru_cache(maxsize=256)
def _host_name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
