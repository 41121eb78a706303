"""The other door: a provider says who somebody is. For everybody, in shops that have a provider.

The browser leaves with a secret of its own in a cookie and comes back with the provider's answer.
A link leads out, not a form: after a form, browsers would hold the way back against our policy.
"""

import secrets
from urllib.parse import quote, unquote

from flask import Blueprint, Response, request, url_for

from app.auth import sessions
from app.auth.provider import IdentityProvider
from app.auth.sign_in import sign_in_as
from app.http.responses.json_response import see_other
from app.http.security.cookies import delete_cookie, get_cookie, set_cookie
from app.kernel.errors import Conflict, Forbidden, Unauthenticated, Unavailable
from app.web.layout.context import PageContext
from app.web.layout.redirects import safe_next
from app.web.sign_in.password import form_page

COOKIE = "daybook_provider"
_BACK_WITHIN_S = 600


def add_to(pages: Blueprint, site: PageContext) -> None:
    """The way out and the way back; neither is there without a provider."""
    if site.provider is not None:
        _add(pages, site, site.provider)


def _add(pages: Blueprint, site: PageContext, provider: IdentityProvider) -> None:
    @pages.get("/sign-in/provider")
    def ask_provider() -> Response:
        secret = secrets.token_urlsafe(32)
        goal = quote(safe_next(request.args.get("next", "")), safe="")
        try:
            answer = see_other(provider.authorization_url(secret, _back(site)))
        except Unavailable as error:
            return form_page(site, unquote(goal), error)
        set_cookie(answer, COOKIE, f"{secret}.{goal}", max_age_s=_BACK_WITHIN_S)
        return answer

    @pages.get("/sign-in/back")
    def come_back() -> Response:
        secret, _, quoted = get_cookie(COOKIE).partition(".")
        goal = safe_next(unquote(quoted))
        try:
            answer = see_other(goal)
            set_cookie(answer, sessions.COOKIE, _signed_in(secret))
        except (Unauthenticated, Forbidden, Conflict, Unavailable) as error:
            answer = form_page(site, goal, error)
        delete_cookie(answer, COOKIE)
        return answer

    def _signed_in(secret: str) -> str:
        """The token of a new session for whom the provider has sent back."""
        if not secret:
            raise Unauthenticated("This took too long, or began in another browser; begin again.")
        who = provider.handle_callback(secret, _back(site), request.args)
        return sign_in_as(site.store, who, provider.issuer, sessions.cookie_token())


def _back(site: PageContext) -> str:
    """Our address to which the provider sends people back; it has to know this one beforehand."""
    base = site.config.url or request.host_url.rstrip("/")
    return base + url_for("web.door.come_back")
