"""Forms that other sites forge change nothing (CSRF): a secret in a cookie and in every form.

Another site can have a browser send our cookie, but cannot read it, so it cannot write the form's
copy (OWASP: double submit). For who has signed in, the secret is made from their session, so it is
worth nothing before and after it, or in another one. This stands beside
app/http/security/origin.py, which asks the browser where a request comes from; a browser that says
nothing is still caught here.
"""

import hmac
import re
import secrets

from flask import Response, g

from app.auth.sessions import current_session
from app.http.security.cookies import get_cookie, set_cookie
from app.http.security.derived_secret import derived_secret
from app.kernel.errors import Forbidden

COOKIE = "daybook_form"
FIELD = "forgery"

_TOKEN = re.compile("[A-Za-z0-9_-]{22}")


def token() -> str:
    """What this browser's forms carry; a browser that has none yet is given one."""
    if session := current_session():
        return _bound_to(session.token)
    if "forgery" not in g:
        known = get_cookie(COOKIE)
        g.forgery = known if _TOKEN.fullmatch(known) else secrets.token_urlsafe(16)
    return str(g.forgery)


def remembered(response: Response) -> Response:
    """The answer, with the cookie when a form in it needs one that the browser has not got."""
    if "forgery" in g and get_cookie(COOKIE) != g.forgery:
        set_cookie(response, COOKIE, g.forgery)
    return response


def refuse(sent: str) -> None:
    """Raise Forbidden unless the form carries what the session, or else the cookie, says."""
    session = current_session()
    known = _bound_to(session.token) if session else get_cookie(COOKIE)
    if not _TOKEN.fullmatch(known) or not hmac.compare_digest(known.encode(), sent.encode()):
        raise Forbidden(
            "This form was not sent from one of our pages, or cookies are switched off. Go back, "
            "load the page again, and send it once more; nothing was changed."
        )


def _bound_to(session_token: str) -> str:
    """128 bits that only this session's forms have; they do not tell its token."""
    return derived_secret(session_token, "forms", 16)
