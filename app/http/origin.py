"""Requests that other web sites make through a visitor's browser change nothing here.

A browser says where a request comes from: Sec-Fetch-Site (W3C Fetch Metadata), and Origin in older
ones. Programs send neither, and pass.
"""

from flask import request

from app.errors import Forbidden

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def refuse_other_sites() -> None:
    """Raise Forbidden when a page of another origin sent this request, unless it only reads."""
    if request.method in _SAFE:
        return
    site = request.headers.get("Sec-Fetch-Site")
    if site is None:
        origin = request.headers.get("Origin")
        is_ours = origin is None or origin.partition("://")[2] == request.host
    else:
        is_ours = site in ("same-origin", "none")
    if not is_ours:
        raise Forbidden("This request comes from a page of another site; that is not allowed.")
