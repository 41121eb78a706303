"""The way to the door and back: where somebody wanted to go before they had to sign in."""

from urllib.parse import quote, unquote, urlsplit

from flask import Response, current_app, request, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from app.http.responses.json_response import see_other

_AS_THEY_ARE = "/-._~!$&'()*+,;=:@"
_LONGEST = 2000
_NO_GOAL = ("web.door.", "web.static", "web.customer.follow")


def redirect_to_sign_in() -> Response:
    """Send the browser to sign in, and remember what it asked for."""
    wanted = quote(request.path, safe=_AS_THEY_ARE)
    if query := request.query_string.decode("ascii", "ignore"):
        wanted += f"?{query}"
    return see_other(url_for("web.door.show_sign_in", next=safe_next(wanted)))


def safe_next(address: str) -> str:
    """`address` when it is that of one of our pages, else the desk's.

    Browsers read //host, and the like with backslashes, as other sites (CWE-601); what does not
    lead to a page of ours by our own table of routes is not followed at all.
    """
    desk = url_for("web.clerk.show_desk")
    is_plain = address.isascii() and address.isprintable() and not set(address) & set("\\ \t")
    if (
        not is_plain
        or len(address) > _LONGEST
        or not address.startswith("/")
        or address[1:2] == "/"
    ):
        return desk
    path = unquote(urlsplit(address).path)
    adapter = current_app.create_url_adapter(request)
    try:
        endpoint = adapter.match(path, method="GET")[0] if adapter else ""
    except (HTTPException, RequestRedirect):
        return desk
    is_page = endpoint.startswith("web.") and not endpoint.startswith(_NO_GOAL)
    return address if is_page else desk
