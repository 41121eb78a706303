"""Sign-in by password, and sign-out. For everybody.

Staff pages redirect here when nobody is signed in, with the requested address as `next`. Passwords
are accepted over TLS and from this machine only.
"""

from flask import Blueprint, Response, request

from app.auth import devices, sessions
from app.auth.guard import is_local_request
from app.auth.sign_in import sign_in
from app.auth.users import USERS
from app.http.responses.json_response import see_other
from app.http.security.cookies import delete_cookie, get_cookie, is_secure, set_cookie
from app.http.security.identity import current
from app.kernel.errors import DaybookError, Forbidden, TooMany, Unauthenticated, Unavailable
from app.web.layout.context import PageContext, page
from app.web.layout.form import NO_FORM, submitted_form
from app.web.layout.redirects import redirect_to, safe_next


def add_to(blueprint: Blueprint, context: PageContext) -> None:
    """Register the sign-in page, its form, and both ways to sign out."""
    store = context.store

    @blueprint.get("/sign-in")
    def show_sign_in() -> Response:
        session = sessions.current_session()
        if session is None:
            return sign_in_page(context, request.args.get("next", ""))
        with store.read() as view:
            count = view.count(sessions.SESSIONS.name, {"user": current().id})
        return page("sign_in/signed_in.html", since=session.document["began"], count=count)

    @blueprint.post("/sign-in")
    def submit_sign_in() -> Response:
        _require_https()
        form, next_ = submitted_form(), request.args.get("next", "")
        name, password = form.get("name"), form.fields.get("password", "")
        address, old_token = request.remote_addr or "", sessions.cookie_token()
        device = get_cookie(devices.COOKIE)
        try:
            signed_in = sign_in(store, name, password, address, old_token=old_token, device=device)
        except (Unauthenticated, TooMany, Unavailable) as error:
            return sign_in_page(context, next_, error, name)
        response = see_other(safe_next(next_))
        set_cookie(response, sessions.COOKIE, signed_in.token)
        set_cookie(response, devices.COOKIE, signed_in.device, max_age_s=devices.MAX_AGE_S)
        return response

    @blueprint.post("/sign-out")
    def sign_out() -> Response:
        submitted_form()
        store.run_in_transaction(lambda tx: sessions.end(tx, sessions.cookie_token()))
        return _signed_out()

    @blueprint.post("/sign-out/everywhere")
    def sign_out_everywhere() -> Response:
        submitted_form()
        if sessions.current_session() is not None:
            store.run_in_transaction(lambda tx: sessions.end_all(tx, current().id))
        return _signed_out()


def sign_in_page(
    context: PageContext, next_: str, error: DaybookError | None = None, name: str = ""
) -> Response:
    """Render the sign-in page with `error`, if any; signing in leads on to `next_`."""
    with context.store.read() as view:
        has_users = view.count(USERS.name) > 0
    return page(
        "sign_in/sign_in.html",
        NO_FORM.refused(error),
        name=name[:60],
        has_users=has_users,
        has_provider=context.provider is not None,
        next=next_,
    )


def _signed_out() -> Response:
    response = redirect_to("web.sign_in.show_sign_in", flash="signed-out")
    delete_cookie(response, sessions.COOKIE)
    return response


def _require_https() -> None:
    """Raise Forbidden for a password that could be read on its way."""
    if not (is_secure() or is_local_request()):
        raise Forbidden(
            "Passwords are taken over https only. The shop's operator sets DAYBOOK_URL to its "
            "https address; a program uses an API key."
        )
