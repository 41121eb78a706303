"""Redirects: to a page, to the sign-in page, and back by a validated `next` address (CWE-601)."""

from typing import Any
from urllib.parse import quote, unquote, urlsplit

from flask import Response, current_app, request, url_for
from werkzeug.exceptions import HTTPException

from app.http.responses.json_response import see_other

_UNQUOTED = "/-._~!$&'()*+,;=:@"
_NEXT_MAX_CHARS = 2000
_NOT_TARGETS = ("web.sign_in.", "web.static", "web.customer.stream_changes")


def redirect_to(endpoint: str, **values: Any) -> Response:
    """Redirect (303) to a page of ours, after a form."""
    return see_other(url_for(endpoint, **values))


def redirect_to_sign_in() -> Response:
    """Redirect to the sign-in page, with the requested address as `next`."""
    requested = quote(request.path, safe=_UNQUOTED)
    if query := request.query_string.decode("ascii", "ignore"):
        requested += f"?{query}"
    return redirect_to("web.sign_in.show_sign_in", next=safe_next(requested))


def safe_next(address: str) -> str:
    """Return `address` when it is that of a page of ours, else the address of the orders page.

    Browsers read //host, and variants with backslashes, as other sites (CWE-601). An address that
    our own routes do not map to a page is never followed.
    """
    orders_page = url_for("web.clerk.show_orders")
    is_plain = address.isascii() and address.isprintable() and not set(address) & set("\\ \t")
    is_local = address.startswith("/") and address[1:2] != "/"
    if not is_plain or not is_local or len(address) > _NEXT_MAX_CHARS:
        return orders_page
    adapter = current_app.create_url_adapter(request)
    try:
        path = unquote(urlsplit(address).path)
        endpoint = adapter.match(path, method="GET")[0] if adapter else ""
    except HTTPException:
        return orders_page
    is_page = endpoint.startswith("web.") and not endpoint.startswith(_NOT_TARGETS)
    return address if is_page else orders_page
