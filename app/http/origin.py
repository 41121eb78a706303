"""Requests that other web sites make through a visitor's browser change and learn nothing here.

A browser says where a request comes from: Sec-Fetch-Site (W3C Fetch Metadata), and Origin in older
ones. Programs send neither, and pass. A site that had its own name point to this machine (DNS
rebinding) would count as the same origin; but its requests carry its name in Host.
"""

from collections.abc import Callable
from urllib.parse import urlsplit

from flask import Response, request
from werkzeug.exceptions import MisdirectedRequest

from app.errors import Forbidden

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
        if _host_name() not in names:
            raise MisdirectedRequest(
                "This shop does not answer to that host name; the operator may add it to "
                "DAYBOOK_TRUSTED_HOSTS."
            )

    return refuse_other_hosts


def add_headers(answer: Response) -> Response:
    """Tell the browser how to treat an answer, where the route has not done so."""
    for name, value in HEADERS.items():
        answer.headers.setdefault(name, value)
    return answer


def _host_name() -> str | None:
    try:
        return urlsplit(f"//{request.host}").hostname
    except ValueError:
        return None
