"""Webhooks: endpoints of other systems, what was sent to them, and recovery. For managers."""

from datetime import UTC, datetime
from secrets import token_urlsafe
from typing import Any

from flask import Blueprint, Response
from marshmallow import Schema

from app.events.failures import FAILURES
from app.http.requests.idempotency import execute_once, is_repeated, scoped_key
from app.http.responses.json_response import json_bytes
from app.http.security.identity import current
from app.kernel import clock
from app.kernel.errors import Conflict, Invalid, Malformed, Problem, Unavailable
from app.kernel.versions import details_version
from app.schema.validation import load
from app.store import Document, Transaction, View
from app.web.layout.context import PageContext, page
from app.web.layout.form import NO_FORM, SubmittedForm, submitted_form
from app.web.layout.redirects import redirect_to
from app.webhooks import deliveries, schemas, service
from app.webhooks.documents import WEBHOOKS
from app.webhooks.sample import send_sample
from app.webhooks.signature import new_secret

SHOWN_DELIVERIES = 20


def add_to(blueprint: Blueprint, context: PageContext) -> None:
    """Register the pages."""
    pages = WebhookPages(context)
    blueprint.get("/webhooks")(pages.show_webhooks)
    blueprint.post("/webhooks")(pages.add_webhook)
    blueprint.get("/webhooks/<webhook_id>")(pages.show_webhook)
    blueprint.post("/webhooks/<webhook_id>")(pages.change_webhook)


class WebhookPages:
    """The views. The forms of an endpoint share its address; their field `do` names the action."""

    def __init__(self, context: PageContext) -> None:
        self._context, self._store = context, context.store

    def show_webhooks(self, form: SubmittedForm = NO_FORM) -> Response:
        with self._store.read() as view:
            endpoints = view.find(WEBHOOKS.name).documents
            failed = {
                each["webhook_id"]: _count_failures(view, each["webhook_id"]) for each in endpoints
            }
        return page(
            "manager/webhooks.html",
            form,
            live=["webhooks"],
            webhooks=[service.shown(each) for each in endpoints],
            failed=failed,
            token=token_urlsafe(16),
            families=schemas.FAMILIES,  # to propose; a person may type any pattern
        )

    def add_webhook(self) -> Response:
        form = submitted_form()
        try:
            wanted = _load(schemas.ENDPOINT_REQUEST, form)
            self._context.webhooks.sender.check(wanted["url"])
            return self._add(wanted, form.get("token"))
        except (Invalid, Conflict) as error:
            return self.show_webhooks(form.refused(error))

    def _add(self, wanted: Document, token: str) -> Response:
        """Add an endpoint, once for each token however often the form is sent."""
        secret, added = new_secret(), dict[str, Any]()

        def add(tx: Transaction) -> Response:
            added.update(service.create_endpoint(tx, wanted, secret, current().name))
            return redirect_to("web.manager.show_webhook", webhook_id=added["webhook_id"])

        key = scoped_key("POST /webhooks", token, json_bytes(wanted))
        response = execute_once(self._store, key, add)
        return response if is_repeated(response) else self._show(added["webhook_id"], secret=secret)

    def show_webhook(self, webhook_id: str) -> Response:
        return self._show(webhook_id)

    def _show(self, webhook_id: str, form: SubmittedForm = NO_FORM, **context: object) -> Response:
        """Render an endpoint's page; `context` is for the result of an action, shown once."""
        with self._store.read() as view:
            endpoint = service.find_endpoint(view, webhook_id)
            newest = deliveries.newest_deliveries(
                view, webhook_id, datetime.now(UTC), SHOWN_DELIVERIES
            )
            failed = _count_failures(view, webhook_id)
        return page(
            "manager/webhook.html",
            form,
            live=[] if context else ["webhooks", "events"],
            webhook=service.shown(endpoint),
            version=details_version(endpoint),
            overlap_ends=_overlap_ends(endpoint),
            deliveries=newest,
            failed=failed,
            handler=service.handler_name(webhook_id),
            families=schemas.FAMILIES,
            **context,
        )

    def change_webhook(self, webhook_id: str) -> Response:
        form = submitted_form()
        try:
            return self._act(webhook_id, form)
        except (Invalid, Conflict, Unavailable) as error:
            return self._show(webhook_id, form.refused(error))

    def _act(self, webhook_id: str, form: SubmittedForm) -> Response:
        """Do what the form's field `do` says; returns the page to show then."""
        action = form.get("do")
        if action == "edit":
            wanted = _load(schemas.ENDPOINT_CHANGE, form)
            self._context.webhooks.sender.check(wanted["url"])
            return self._change(webhook_id, wanted, form)
        if action in ("enable", "disable"):
            return self._change(webhook_id, {"enabled": action == "enable"})
        if action == "rotate":
            expected, secret = form.expected_versions(), new_secret()
            self._store.run_in_transaction(
                lambda tx: service.rotate_secret(tx, webhook_id, secret, expected, current().name)
            )
            return self._show(webhook_id, secret=secret)
        if action == "test":
            with self._store.read() as view:
                endpoint = service.find_endpoint(view, webhook_id)
            return self._show(webhook_id, sample=send_sample(self._context.webhooks, endpoint))
        if action == "recover":
            since = self._since(form.get("since"))
            done = deliveries.recover(self._store, webhook_id, since, current().name)
            return redirect_to(
                "web.manager.show_webhook",
                webhook_id=webhook_id,
                recovered=done.events,
                since=done.next_since,
            )
        if action == "delete":
            self._store.run_in_transaction(lambda tx: service.delete_endpoint(tx, webhook_id, None))
            deliveries.discard_failures(self._store, webhook_id, current().name)
            return redirect_to("web.manager.show_webhooks")
        raise Malformed("This form does not say what to do; load the page again.")

    def _change(
        self, webhook_id: str, patch: Document, form: SubmittedForm | None = None
    ) -> Response:
        expected = form.expected_versions() if form else None
        self._store.run_in_transaction(
            lambda tx: service.change_endpoint(tx, webhook_id, patch, expected, current().name)
        )
        return redirect_to("web.manager.show_webhook", webhook_id=webhook_id)

    def _since(self, text: str) -> str:
        """The time that a person typed. Raises Invalid at the field."""
        try:
            return clock.parse_input(text, self._context.config.timezone)
        except ValueError as error:
            raise Invalid([Problem("/since", str(error))]) from None


def _load(schema: Schema, form: SubmittedForm) -> dict[str, Any]:
    """The fields of an endpoint that the form sets; types are separated by spaces or commas.

    Raises Invalid, with the faults of all types at their one field.
    """
    types = form.get("types").replace(",", " ").split()
    fields = {"url": form.get("url"), "types": types, "description": form.get("description")}
    try:
        return load(schema, fields)
    except Invalid as error:
        at_fields = [
            ("/types" if each.pointer.startswith("/types/") else each.pointer, each.message)
            for each in error.problems
        ]
        raise Invalid([Problem(*each) for each in at_fields]) from None


def _count_failures(view: View, webhook_id: str) -> int:
    return view.count(FAILURES.name, {"handler": service.handler_name(webhook_id)})


def _overlap_ends(endpoint: Document) -> str | None:
    """When the secret before the present one ends; None when there is only one."""
    secrets = service.active_secrets(endpoint)
    return endpoint["secrets"][1]["expires"] if len(secrets) > 1 else None
