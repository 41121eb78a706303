"""Shared by all pages: their context, layout, security headers and error page."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING

from flask import Blueprint, Flask, Response, g, render_template, request
from werkzeug.exceptions import NotFound as NoSuchPage

from app.auth.sessions import current_session
from app.billing.receipt_issuer import ReceiptIssuer
from app.config import Config
from app.events.registry import HandlerRegistry
from app.http.responses import problems
from app.http.security.identity import current
from app.kernel import shop_day
from app.kernel.errors import Unauthenticated
from app.kernel.payment_methods import INVOICE
from app.kernel.shipping_address import address_lines
from app.orders.service import OrderPolicy
from app.store import Store
from app.web.layout.csrf import csrf_token, kept_form_token, set_csrf_cookie
from app.web.layout.form import NO_FORM, SubmittedForm, form_of_ended_session
from app.web.layout.html_size import shorten
from app.web.layout.numbers import format_money, format_number
from app.web.layout.positions import query
from app.web.layout.redirects import redirect_to_sign_in
from app.webhooks.handlers import WebhookHandlers, webhook_handlers

if TYPE_CHECKING:
    from app.auth.oidc import OidcProvider

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin",  # a customer's link stays out of logs of further requests
    "Cache-Control": "no-store",
}

_FULL_TIME = "%-d %b %Y, %H:%M:%S %Z"


@dataclass(frozen=True)
class PageContext:
    """The services and settings that the pages use."""

    store: Store
    rules: OrderPolicy
    shop: ReceiptIssuer
    config: Config = field(default_factory=Config)
    handlers: frozenset[str] = field(default_factory=frozenset)
    cards: Mapping[str, str] = field(default_factory=dict)
    """See PaymentGateway."""
    provider: "OidcProvider | None" = None
    """The OIDC provider, if the shop has one."""
    stopping: Event = field(default_factory=Event)
    """Set when this process is about to end."""
    heartbeat_s: float = 1.0
    """The interval of heartbeats in a quiet stream; a lost browser is noticed by then."""
    count_streams: Callable[[int], object] = lambda _change: None
    """Called with 1 when a stream opens, and with -1 when it closes."""
    count_done: Callable[[], Mapping[str, float]] = dict
    """Return how many deliveries each handler has completed since the server's start."""
    registry: HandlerRegistry = field(default_factory=HandlerRegistry)
    journal_lines: Callable[[int], list[bytes]] = lambda _max_bytes: []
    """Return the last lines of the journal as they stand in its file, of so many bytes at most."""
    file_head: Callable[[str, int], bytes] = lambda _collection, _max_bytes: b""
    """Return so many bytes of the beginning of a collection's file as it stands."""

    webhooks: WebhookHandlers = field(default_factory=lambda: webhook_handlers(Config()))
    """Sends samples to webhooks, and knows which URLs they may have."""

    @property
    def payment_titles(self) -> dict[str, str]:
        """The title of each payment method, by its value in orders."""
        return {**self.cards, INVOICE: "On invoice"}


def install_pages(app: Flask, context: PageContext, *groups: Blueprint) -> None:
    """Register the pages, their error page, and what their templates use."""
    pages = Blueprint(
        "web",
        "app.web",
        template_folder="templates",
        static_folder="static",
        static_url_path="/static",
    )
    pages.before_request(lambda: _set_position(context))
    pages.after_request(_add_headers)
    pages.register_error_handler(Exception, error_page)
    app.register_error_handler(NoSuchPage, _no_such_page)
    pages.add_app_template_filter(lambda text: _full_time(text, context), "full_time")
    pages.add_app_template_filter(lambda text: _short_time(text, context), "short_time")
    pages.add_app_template_filter(format_money, "money")
    pages.add_app_template_filter(format_number, "number")
    pages.add_app_template_filter(shorten, "short")
    pages.add_app_template_global(csrf_token, "csrf_token")
    pages.add_app_template_global(address_lines, "address_lines")
    pages.add_app_template_global(current, "viewer")
    pages.add_app_template_global(query, "query")
    pages.add_app_template_global(lambda: current_session() is not None, "is_signed_in")
    pages.app_context_processor(lambda: {"currency": context.rules.currency.code})
    for group in groups:
        pages.register_blueprint(group)
    app.register_blueprint(pages)


def page(
    template: str, form: SubmittedForm = NO_FORM, /, *, live: Sequence[str] = (), **values: object
) -> Response:
    """Render a page. `live` names the topics of live.py whose changes make it refresh itself.

    The error of a refused `form` decides the status and Retry-After. The template has its text as
    `error`, the sentence for each field as `errors`, and what was typed as `values`.
    """
    error = form.error
    shown = {"error": str(error or ""), "errors": form.errors(), "values": form.fields} | values
    html = render_template(template, live=" ".join(live), **shown)
    if error is None:
        return Response(html)
    response = Response(html, problems.status_of(error))
    if seconds := problems.retry_after_s(error):
        response.headers["Retry-After"] = str(seconds)
    return response


def error_page(error: Exception) -> Response:
    """Render an error as a page, with the status and headers of the API's problem response.

    A browser that is not signed in is redirected to the sign-in page instead; a form that it sent
    from a page of its ended session is shown again, to be sent after signing in.
    """
    if isinstance(error, Unauthenticated) and _wants_html():
        if fields := form_of_ended_session():
            token = kept_form_token()
            return page(
                "sign_in/kept_form.html", NO_FORM.refused(error), fields=fields, token=token
            )
        return redirect_to_sign_in()
    response = problems.error_response(error)
    problem = response.get_json()
    if isinstance(error, NoSuchPage):
        problem["detail"] = "There is no page at this address."
    response.set_data(render_template("layout/error.html", problem=problem))
    response.mimetype = "text/html"
    return response


def local_day(text: str, context: PageContext) -> str:
    """Return the day of a stored time in the shop's time zone."""
    zone = context.config.timezone
    return shop_day.label(shop_day.local_time(text, zone), zone)


def _full_time(text: str, context: PageContext) -> str:
    return shop_day.local_time(text, context.config.timezone).strftime(_FULL_TIME)


def _short_time(text: str, context: PageContext) -> str:
    local = shop_day.local_time(text, context.config.timezone)
    return f"{local_day(text, context)}, {local:%H:%M}"


def _no_such_page(error: NoSuchPage) -> Response:
    """Answer 404 for an unknown address: a page for a browser, a problem for a program."""
    return _add_headers(error_page(error)) if _wants_html() else problems.error_response(error)


def _wants_html() -> bool:
    """Return whether a person's browser asks; scripts and programs accept any media type."""
    if "Authorization" in request.headers:
        return False
    kinds = (problems.MEDIA_TYPE, "text/html")
    return request.accept_mimetypes.best_match(kinds, kinds[0]) == "text/html"


def _set_position(context: PageContext) -> None:
    """Note the store's position before anything is read: the page's stream begins there."""
    if request.method == "GET" and request.blueprint != "web":
        g.position = context.store.position()


def _add_headers(response: Response) -> Response:
    """Forbid inline code, foreign content, framing and caching of pages; set the CSRF cookie."""
    if response.mimetype == "text/html":
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
    return set_csrf_cookie(response)
