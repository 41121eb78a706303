"""CSRF protection: each form carries a token that must match the session or a cookie.

Another site can make a browser send our cookie, but it cannot read the cookie, so it cannot write
the form's copy (OWASP: double submit). In a session the token is derived from the session's own, so
it is worthless before, after and in any other session. app/http/security/origin.py checks where the
browser says the request comes from; this check holds for browsers that do not say.
"""

import hmac
import re
import secrets

from flask import Response, g, request

from app.auth.sessions import cookie_token, current_session
from app.http.security.cookies import get_cookie, set_cookie
from app.http.security.derived_secret import derived_secret
from app.kernel.errors import Forbidden

COOKIE = "daybook_form"
FIELD = "csrf_token"

_TOKEN = re.compile("[A-Za-z0-9_-]{22}")


def csrf_token() -> str:
    """Return the token of this browser's forms; a browser without one gets a new one."""
    if session := current_session():
        return _token_of(session.token)
    if FIELD not in g:
        known = get_cookie(COOKIE)
        g.csrf_token = known if _TOKEN.fullmatch(known) else secrets.token_urlsafe(16)
    return str(g.csrf_token)


def set_csrf_cookie(response: Response) -> Response:
    """Add the cookie when the page has a form and the browser does not have its token yet."""
    if FIELD in g and get_cookie(COOKIE) != g.csrf_token:
        set_cookie(response, COOKIE, g.csrf_token)
    return response


def kept_form_token() -> str:
    """Return the token of a form to this path that is sent again in the next session."""
    return _kept_token_of(csrf_token())


def is_of_ended_session(submitted: str) -> bool:
    """Whether a form came from a page of the session whose cookie is still sent, or was kept."""
    token = cookie_token()
    return _is_kept(submitted) or (bool(token) and _is_same(_token_of(token), submitted))


def check_csrf_token(submitted: str) -> None:
    """Raise Forbidden unless a form's token is that of the session or, without one, the cookie.

    The token of a kept form is valid as well, for its path and in its browser.
    """
    session = current_session()
    expected = _token_of(session.token) if session else get_cookie(COOKIE)
    if not _is_same(expected, submitted) and not _is_kept(submitted):
        raise Forbidden(
            "This form was not sent from one of our pages, or cookies are switched off. Go back, "
            "load the page again, and send it once more; nothing was changed."
        )


def _is_kept(submitted: str) -> bool:
    known = get_cookie(COOKIE)
    return bool(_TOKEN.fullmatch(known)) and _is_same(_kept_token_of(known), submitted)


def _kept_token_of(token: str) -> str:
    return derived_secret(token, f"kept {request.path}", 16)


def _is_same(expected: str, submitted: str) -> bool:
    is_token = _TOKEN.fullmatch(expected) is not None
    return is_token and hmac.compare_digest(expected.encode(), submitted.encode())


def _token_of(session_token: str) -> str:
    """Derive 128 bits from the session's token, which cannot be computed back from them."""
    return derived_secret(session_token, "forms", 16)
