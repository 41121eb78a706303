"""Forms that other sites forge change nothing (CSRF): a secret in a cookie and in every form.

Another site can have a browser send our cookie, but cannot read it, so it cannot write the form's
copy (OWASP: double submit). This stands beside app/http/origin.py, which asks the browser where a
request comes from; a browser that says nothing is still caught here.
"""

import re
import secrets
from hmac import compare_digest

from flask import Response, g, request

from app.errors import Forbidden

COOKIE = "daybook_form"
FIELD = "forgery"

_TOKEN = re.compile("[A-Za-z0-9_-]{22}")


def token() -> str:
    """What this browser's forms carry; a browser that has none yet is given one."""
    if "forgery" not in g:
        known = request.cookies.get(COOKIE, "")
        g.forgery = known if _TOKEN.fullmatch(known) else secrets.token_urlsafe(16)
    return str(g.forgery)


def remembered(response: Response) -> Response:
    """The answer, with the cookie when a form in it needs one that the browser has not got."""
    if "forgery" in g and request.cookies.get(COOKIE) != g.forgery:
        response.set_cookie(
            COOKIE, g.forgery, httponly=True, samesite="Lax", secure=request.is_secure
        )
    return response


def refuse(sent: str) -> None:
    """Raise Forbidden unless the form carries what the browser's cookie says."""
    known = request.cookies.get(COOKIE, "")
    if not _TOKEN.fullmatch(known) or not compare_digest(known.encode(), sent.encode()):
        raise Forbidden(
            "This form was not sent from one of our pages, or cookies are switched off. Go back, "
            "load the page again, and send it once more; nothing was changed."
        )
