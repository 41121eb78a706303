"""What every page shares: the frame it is drawn in, its headers, and errors told in words."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from pathlib import Path
from threading import Event

from flask import Blueprint, Flask, Response, g, render_template, request
from werkzeug.exceptions import NotFound as NoSuchPage

from app.auth.provider import Provider
from app.auth.sessions import current_session
from app.billing.receipt import Shop
from app.http.responses import problems
from app.http.security.identity import current
from app.kernel import clock
from app.kernel.errors import Unauthenticated
from app.orders.service import Rules
from app.server.runtime import Runtime
from app.web.layout import csrf
from app.web.layout.redirects import redirect_to_sign_in

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class PageContext:
    """What the pages are made from. They tell the time in `zone`."""

    store: Runtime
    rules: Rules
    zone: tzinfo
    mail: Path
    shop: Shop
    with_faults: bool = False
    handlers: frozenset[str] = field(default_factory=frozenset)
    sends_by_smtp: bool = False
    """Whether mail goes to a server, and not into the folder `mail`."""
    streams: int = 4
    """How many live streams one process keeps open at most; each takes a thread of the server."""
    provider: Provider | None = None
    """Who signs people in besides this shop."""
    heartbeat_s: float = 1.0
    """After so long a quiet stream says that all is well; one whose browser left ends then."""
    count_streams: Callable[[int], object] = lambda _more: None
    """Told 1 whenever a live stream begins, and -1 when it ends."""

    @property
    def stopping(self) -> Event:
        """Set when this process is about to end."""
        return self.store.stopping


def install_pages(app: Flask, site: PageContext, *groups: Blueprint) -> None:
    """Put the pages into the application."""
    pages = Blueprint(
        "web",
        "app.web",
        template_folder="templates",
        static_folder="static",
        static_url_path="/static",
    )
    pages.before_request(lambda: _note_position(site))
    pages.after_request(_guarded)
    pages.register_error_handler(Exception, told)
    app.register_error_handler(NoSuchPage, _nowhere)
    pages.add_app_template_filter(lambda text: _moment(text, site.zone), "moment")
    pages.add_app_template_filter(lambda text: _minute(text, site.zone), "day")
    pages.add_app_template_global(csrf.token, "forgery_token")
    pages.add_app_template_global(current, "viewer")
    pages.add_app_template_global(lambda: current_session() is not None, "is_signed_in")
    pages.app_context_processor(lambda: {"currency": site.rules.currency.code, "site": site})
    for group in groups:
        pages.register_blueprint(group)
    app.register_blueprint(pages)


def page(
    template: str, status: int = 200, *, live: Sequence[str] = (), **values: object
) -> Response:
    """A page. `live` names the topics of live.py that have an open page draw itself anew."""
    return Response(render_template(template, live=" ".join(live), **values), status)


def told(error: Exception) -> Response:
    """An error as a page, with the status and headers that the API would answer.

    Whoever opens a page in a browser and is not known yet is sent to sign in.
    """
    if isinstance(error, Unauthenticated) and _is_for_a_person():
        return redirect_to_sign_in()
    answer = problems.answer_for(error)
    problem = answer.get_json()
    if isinstance(error, NoSuchPage):
        problem["detail"] = "There is no page at this address."
    answer.set_data(render_template("layout/error.html", problem=problem))
    answer.mimetype = "text/html"
    return answer


def _nowhere(error: NoSuchPage) -> Response:
    """An address at which there is nothing: a page for a browser, a problem for a program."""
    if _is_for_a_person():
        return _guarded(told(error))
    return problems.answer_for(error)


def _is_for_a_person() -> bool:
    """Whether a browser asks for something to show; its scripts take anything, as programs do."""
    if "Authorization" in request.headers:
        return False
    kinds = (problems.MEDIA_TYPE, "text/html")
    return request.accept_mimetypes.best_match(kinds, kinds[0]) == "text/html"


def day_of(moment: str, zone: tzinfo) -> str:
    """The day of a moment in `zone`, as the pages write it."""
    return clock.parsed(moment).astimezone(zone).strftime("%-d %b")


def _note_position(site: PageContext) -> None:
    """Before anything is read: what changes from here on, a live page will be told of."""
    if request.method == "GET" and request.blueprint != "web":
        g.position = site.store.position()


def _guarded(response: Response) -> Response:
    """Nothing inline, nothing from elsewhere, no framing, nothing kept by caches."""
    if response.mimetype == "text/html":
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
    return csrf.remembered(response)


def _moment(text: str, zone: tzinfo) -> str:
    return clock.parsed(text).astimezone(zone).strftime("%-d %b %Y, %H:%M:%S %Z")


def _minute(text: str, zone: tzinfo) -> str:
    return clock.parsed(text).astimezone(zone).strftime("%-d %b, %H:%M")
