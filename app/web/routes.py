"""The order form at /, and the page of an order that tells how far it is."""

from datetime import tzinfo

from flask import Blueprint, Response, render_template, request

from app import clock
from app.errors import Conflict, Invalid
from app.events.outbox import PENDING, timeline
from app.http import problems
from app.http.answers import json_bytes
from app.http.body import WrongMediaType, body_bytes
from app.http.idempotency import key_of, once
from app.http.validation import load
from app.orders import service
from app.orders.schemas import request_schema
from app.store import Store, Transaction
from app.web.form import MEDIA_TYPE, QUANTITY, OrderForm, faults_of
from app.web.shelf import Shelf, shelf

RELOAD_S = 2
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def blueprint(store: Store, rules: service.Rules, zone: tzinfo) -> Blueprint:
    """The pages, over `store`; they tell the time in `zone`."""
    pages = Blueprint(
        "web",
        __name__,
        template_folder="templates",
        static_folder="static",
        static_url_path="/static",
    )
    order_request = request_schema(rules.currency)
    pages.after_request(_guarded)
    pages.register_error_handler(Exception, _told)
    pages.add_app_template_filter(lambda text: _written(text, zone), "moment")

    @pages.get("/")
    def show_form() -> Response:
        return _form_page(OrderForm(), {}, 200)

    @pages.post("/")
    def take_form() -> Response:
        body = body_bytes()
        if request.mimetype != MEDIA_TYPE:
            raise WrongMediaType(f"Send the form as {MEDIA_TYPE}.", Accept=MEDIA_TYPE)
        form = OrderForm.sent(body)
        if not form.is_placed:
            return _form_page(form, {}, 200)
        try:
            return _place(form)
        except (Invalid, Conflict) as error:
            status = problems.status_of(error)
            return _form_page(form.after_refusal(error), faults_of(error, form), status)

    @pages.get("/orders/<order_id>")
    def show_order(order_id: str) -> Response:
        with store.read() as view:
            order = service.find_order(view, order_id)
            events = list(timeline(view, order["order_id"]))
        states = {each["state"] for event in events for each in event["deliveries"].values()}
        reload_s = RELOAD_S if PENDING in states else None
        page = render_template("order.html", order=order, events=events, reload_s=reload_s)
        return Response(page)

    def _place(form: OrderForm) -> Response:
        """Order once for each token, however often the form is sent."""
        wanted = load(order_request, form.request())

        def respond(tx: Transaction) -> Response:
            order = service.place_order(tx, rules, wanted)
            return Response(status=303, headers={"Location": f"/orders/{order['order_id']}"})

        return once(store, key_of("POST /", form.token, json_bytes(wanted)), respond)

    def _form_page(form: OrderForm, faults: dict[str, str], status: int) -> Response:
        shown = shelf(store, list(form.quantities), form.find, form.after)
        page = render_template(
            "form.html",
            form=form,
            faults=faults,
            shelf=shown,
            currency=rules.currency.code,
            ids=_ids(shown),
            prefix=QUANTITY,
        )
        return Response(page, status)

    return pages


def _ids(shown: Shelf) -> dict[str, str]:
    """The id in the page of each field, by its name; a sku may have what an id must not."""
    quantities = [QUANTITY + product["sku"] for product in (*shown.chosen, *shown.others)]
    fixed = {name: name for name in ("find", "name", "email")}
    return fixed | {name: f"product-{place}" for place, name in enumerate(quantities)}


def _told(error: Exception) -> Response:
    """An error as a page, with the status and headers that the API would answer."""
    answer = problems.answer_for(error)
    answer.set_data(render_template("problem.html", problem=answer.get_json()))
    answer.mimetype = "text/html"
    return answer


def _guarded(response: Response) -> Response:
    """No scripts, nothing from elsewhere, no framing, nothing kept by caches."""
    if response.mimetype == "text/html":
        response.headers.update(_HEADERS)
    return response


def _written(text: str, zone: tzinfo) -> str:
    return clock.parsed(text).astimezone(zone).strftime("%-d %b %Y, %H:%M:%S %Z")
