"""Sign-in by an OIDC provider. For everybody, in shops that have a provider.

The browser leaves with a secret in a cookie and returns with the provider's response. A link leads
to the provider, not a form: browsers apply the policy form-action to redirects after a form.
"""

from urllib.parse import quote, unquote

from flask import Blueprint, Response, request, url_for

from app.auth import sessions
from app.auth.sign_in import sign_in_by_provider
from app.http.responses.json_response import see_other
from app.http.security.cookies import delete_cookie, get_cookie, set_cookie
from app.kernel.errors import Conflict, Forbidden, TooMany, Unauthenticated, Unavailable
from app.web.layout.context import PageContext
from app.web.layout.redirects import safe_next
from app.web.sign_in.password import sign_in_page

COOKIE = "daybook_provider"


def add_to(blueprint: Blueprint, context: PageContext) -> None:
    """Register the redirect to the provider and the callback, if there is a provider."""
    if (provider := context.provider) is None:
        return

    @blueprint.get("/sign-in/provider")
    def start_oidc() -> Response:
        secret, next_ = provider.new_secret(), safe_next(request.args.get("next", ""))
        try:
            response = see_other(provider.authorization_url(secret, _callback_url(context)))
        except Unavailable as error:
            return sign_in_page(context, next_, error)
        cookie = f"{secret}.{quote(next_, safe='')}"
        set_cookie(response, COOKIE, cookie, max_age_s=provider.SIGN_IN_MAX_S)
        return response

    @blueprint.get("/sign-in/back")
    def oidc_callback() -> Response:
        secret, _, quoted = get_cookie(COOKIE).partition(".")
        next_ = safe_next(unquote(quoted))
        try:
            if not secret:
                raise Unauthenticated(
                    "This took too long, or began in another browser; begin again."
                )
            token = sign_in_by_provider(
                context.store,
                provider,
                secret,
                request.args,
                _callback_url(context),
                request.remote_addr or "",
                old_token=sessions.cookie_token(),
            )
        except (Unauthenticated, Forbidden, Conflict, TooMany, Unavailable) as error:
            response = sign_in_page(context, next_, error)
        else:
            response = see_other(next_)
            set_cookie(response, sessions.COOKIE, token)
        delete_cookie(response, COOKIE)
        return response


def _callback_url(context: PageContext) -> str:
    """Return the redirect URI; it must be registered with the provider."""
    base = context.config.url or request.host_url.rstrip("/")
    return base + url_for("web.sign_in.oidc_callback")
