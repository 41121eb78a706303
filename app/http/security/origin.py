"""Requests that other web sites make through a visitor's browser change and learn nothing here.

A browser says where a request comes from: Sec-Fetch-Site (W3C Fetch Metadata), and Origin in older
ones. Programs send neither, and pass. A site that had its own name point to this machine (DNS
rebinding) would count as the same origin; but its requests carry its name in Host.
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

THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})

HEADERS = {
    "Cache-Control": "private, no-cache",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""What every answer says to browsers, where the route does not say otherwise: this is no page, not
for other sites, and not to be kept without asking again."""

STRICT_TRANSPORT = "max-age=31536000"
"""Whoever came by TLS once shall not come without it for a year (RFC 6797)."""

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def refuse_other_sites() -> None:
    """Raise Forbidden when a page of another origin sent this request, unless it only reads."""
    if request.method in SAFE:
        return
    site = request.headers.get("Sec-Fetch-Site")
    if site is None:
        origin = request.headers.get("Origin")
        is_ours = origin is None or origin.partition("://")[2] == request.host
    else:
        is_ours = site in ("same-origin", "none")
    if not is_ours:
        raise Forbidden("This request comes from a page of another site; that is not allowed.")


def host_check(names: frozenset[str]) -> Callable[[], None]:
    """What refuses a request for a host that is none of `names` (in small letters, no ports).

    It raises MisdirectedRequest: 421, RFC 9110 section 15.5.20.
    """

    def refuse_other_hosts() -> None:
        if _name_of(request.host) not in names:
            raise MisdirectedRequest(
                "This shop does not answer to that host name; the operator may add it to "
                "DAYBOOK_TRUSTED_HOSTS."
            )

    return refuse_other_hosts


def with_headers(application: "WSGIApplication") -> "WSGIApplication":
    """`application` with HEADERS in each answer, where it does not say otherwise itself.

    It stands around all of Flask (PEP 3333), because there it costs a POST a tenth of what Flask's
    own way of adding headers does.
    """

    def answered(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        def start(
            status: str, headers: list[tuple[str, str]], *error: "OptExcInfo | None"
        ) -> Callable[[bytes], object]:
            said = {name.title() for name, _ in headers}
            added = [header for header in HEADERS.items() if header[0] not in said]
            if environ["wsgi.url_scheme"] == "https":
                added += _strict(environ)
            return start_response(status, headers + added, *error)

        return application(environ, start)

    return answered


def _strict(environ: "WSGIEnvironment") -> list[tuple[str, str]]:
    """HSTS, but not for this machine's own names, which other services use too."""
    if _name_of(environ.get("HTTP_HOST", "")) in THIS_MACHINE:
        return []
    return [("Strict-Transport-Security", STRICT_TRANSPORT)]


@lru_cache(maxsize=256)
def _name_of(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
