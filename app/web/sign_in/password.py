"""The door: signing in and out. For everybody.

Staff pages send here whoever is not signed in, with `next` as the way back; it leads to one of our
own pages or nowhere. Passwords travel over TLS, or on this machine, and not otherwise.
"""

from flask import Blueprint, Response, request, url_for

from app.auth import sessions
from app.auth.guard import is_local_request
from app.auth.sign_in import sign_in
from app.auth.users import USERS
from app.http.responses import problems
from app.http.responses.json_response import see_other
from app.http.security.cookies import drop_cookie, give_cookie, is_secure
from app.http.security.identity import current
from app.kernel.errors import DaybookError, Forbidden, TooMany, Unauthenticated, Unavailable
from app.web.layout.context import PageContext, page
from app.web.layout.form import submitted_form
from app.web.layout.redirects import safe_next


def add_to(pages: Blueprint, site: PageContext) -> None:
    """The page with its form, and the two ways out."""
    store = site.store

    @pages.get("/sign-in")
    def show_sign_in() -> Response:
        session = sessions.current_session()
        if session is None:
            return form_page(site, request.args.get("next", ""))
        with store.read() as view:
            count = view.count(sessions.SESSIONS.name, {"user": current().name})
        return page("sign_in/signed_in.html", since=session.document["began"], count=count)

    @pages.post("/sign-in")
    def take_sign_in() -> Response:
        _refuse_plain()
        sent = submitted_form()
        name, password = sent.get("name"), sent.fields.get("password", "")
        address, old_token = request.remote_addr or "", sessions.sent_token()
        try:
            token = sign_in(store, name, password, address, old_token)
        except (Unauthenticated, TooMany, Unavailable) as error:
            return form_page(site, request.args.get("next", ""), error, name)
        answer = see_other(safe_next(request.args.get("next", "")))
        give_cookie(answer, sessions.COOKIE, token)
        return answer

    @pages.post("/sign-out")
    def sign_out() -> Response:
        submitted_form()
        with store.transaction() as tx:
            sessions.end(tx, sessions.sent_token())
        return _gone()

    @pages.post("/sign-out/everywhere")
    def sign_out_everywhere() -> Response:
        submitted_form()
        if sessions.current_session() is not None:
            with store.transaction() as tx:
                sessions.end_all(tx, current().name)
        return _gone()

    def _gone() -> Response:
        location = url_for("web.door.show_sign_in", told="out")
        answer = see_other(location)
        drop_cookie(answer, sessions.COOKIE)
        return answer


def form_page(
    site: PageContext, goal: str, error: DaybookError | None = None, name: str = ""
) -> Response:
    """The page to sign in on; after that it goes on to `goal`. It tells of `error`, if any."""
    with site.store.read() as view:
        has_users = view.count(USERS.name) > 0
    answer = page(
        "sign_in/sign_in.html",
        problems.status_of(error) if error else 200,
        fault=str(error) if error else "",
        name=name[:60],
        has_users=has_users,
        has_provider=site.provider is not None,
        next=goal,
        is_told=request.args.get("told") == "out",
    )
    if error and (retry_after_s := error.members.get("retry_after_s")):
        answer.headers["Retry-After"] = str(retry_after_s)
    return answer


def _refuse_plain() -> None:
    """Raise Forbidden for a password that would travel where others can read it."""
    if not (is_secure() or is_local_request()):
        raise Forbidden(
            "Passwords are taken over https only. Whoever runs this shop sets DAYBOOK_URL to its "
            "https address; a program uses an API key."
        )
