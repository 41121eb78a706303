"""Daybook: `create_app` connects the parts of the application; no other module does."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from flask import Flask

from app import cli
from app.auth.guard import Guard
from app.auth.keys import KEYS
from app.auth.permissions import PROBES
from app.auth.rates import RateLimiter
from app.auth.sessions import SESSIONS, SESSIONS_EXPIRY
from app.auth.users import USERS
from app.billing import routes as billing_routes
from app.billing.documents import INVOICE_HISTORY, INVOICES
from app.billing.gateway import PaymentGateway
from app.billing.handlers import billing
from app.billing.receipt import receipt_pdf
from app.billing.receipt_issuer import ReceiptIssuer
from app.billing.simulator import payment_gateway
from app.config import Config, from_environment
from app.events import routes as event_routes
from app.events import types
from app.events.dispatch.dispatcher import Dispatcher
from app.events.dispatch.jobs import JOB_DAYS, ExpiryJob, Job, ScheduledJob
from app.events.dispatch.observer import Observer
from app.events.dispatch.retry import RetryPolicy
from app.events.failures import FAILURES
from app.events.faults import FAULTS
from app.events.outbox import EVENTS, OUTBOX, SUBSCRIBER_OUTBOX, TIMELINE_PAGES, TIMELINES
from app.events.registry import HandlerRegistry, SideEffectHandler, TransactionalHandler
from app.events.subscriptions import SUBSCRIPTIONS
from app.http.requests.body import MAX_READ_BYTES, announce_patch
from app.http.requests.head import check_head
from app.http.requests.idempotency import IDEMPOTENCY, IDEMPOTENCY_EXPIRY
from app.http.requests.limiter import RequestLimiter
from app.http.requests.long_poll import LongPollSlots
from app.http.responses import problems
from app.http.responses.compression import compress
from app.http.security.origin import (
    LOCAL_HOSTS,
    refuse_cross_site_requests,
    trusted_host_check,
    with_security_headers,
)
from app.http.security.proxies import trust_proxies
from app.http.security.quotas import COUNTS, COUNTS_EXPIRY
from app.inventory import routes as inventory_routes
from app.inventory.documents import LEDGER, PRODUCTS, RESERVATIONS
from app.inventory.handlers import on_fulfilled, on_stock_freed
from app.inventory.handlers import on_order_event as reserve
from app.inventory.service import emit_low_stock_digest
from app.notification.handlers import Notifier
from app.notification.maildir import Maildir
from app.notification.smtp import Smtp
from app.notification.transport import Transport
from app.observability import routes as observability_routes
from app.observability.delivery_log import DeliveryLog, ObserverGroup
from app.observability.metrics import Metrics
from app.observability.request_log import observe_requests
from app.observability.store_metrics import StoreMetrics
from app.observability.tracing import make_spans
from app.openapi import docs
from app.orders import routes as order_routes
from app.orders.currency import with_currency_check
from app.orders.documents import ORDER_HISTORY, ORDERS, REFERENCES, SHOP
from app.orders.handlers import on_inventory_event, on_payment, on_shipment_event
from app.orders.queries import resolve_order_id
from app.orders.service import OrderPolicy
from app.privacy.handlers import mail_eraser
from app.privacy.retention import RETENTION_TIME, Retention
from app.server.runtime import Runtime
from app.shipping import routes as shipping_routes
from app.shipping.documents import SHIPMENTS
from app.shipping.handlers import on_order_event as prepare_shipment
from app.shipping.service import shipping_policy
from app.store import Collection, Place, Store
from app.web import routes as pages
from app.web.layout.context import PageContext
from app.webhooks import routes as webhook_routes
from app.webhooks.documents import WEBHOOKS
from app.webhooks.handlers import WebhookHandlers, webhook_handlers
from app.webhooks.service import GROUP as WEBHOOK

if TYPE_CHECKING:
    from app.auth.oidc import OidcProvider

COLLECTIONS: tuple[Collection, ...] = (
    *(ORDERS, REFERENCES, PRODUCTS, LEDGER, RESERVATIONS, INVOICES, SHIPMENTS),
    *(OUTBOX, EVENTS, TIMELINES, FAILURES, FAULTS, JOB_DAYS, IDEMPOTENCY),
    *(SUBSCRIPTIONS, SUBSCRIBER_OUTBOX, WEBHOOKS),
    *(KEYS, USERS, SESSIONS, COUNTS, SHOP),
    *(ORDER_HISTORY, INVOICE_HISTORY, TIMELINE_PAGES),
)

HANDLERS = frozenset(
    {"orders", "inventory", "billing", "shipping", "notification", "privacy", WEBHOOK}
)
"""The handlers of the shop, and the group of those of webhook endpoints."""


class _Shared(NamedTuple):
    """The parts that both the delivery of events and the routes and pages use."""

    gateway: PaymentGateway
    webhooks: WebhookHandlers
    registry: HandlerRegistry


def create_app(config: Config | None = None, *, delivers: bool = True) -> Flask:
    """Return the application. It opens the store at the first request, command or Runtime.start.

    Without `config`, reads the DAYBOOK_* variables; raises Invalid when one is wrong. Without
    `delivers`, another process delivers events and writes the readable files.
    """
    config = config or from_environment(os.environ)
    spans = make_spans(config.otlp_endpoint)
    metrics = Metrics(HANDLERS, config.currency.code, on_commit=spans.committed if spans else None)
    gateway, webhooks = payment_gateway(config), webhook_handlers(config)
    shared = _Shared(gateway, webhooks, connect_handlers(config, gateway, webhooks))
    observer = ObserverGroup(metrics, DeliveryLog(), *((spans,) if spans else ()))
    runtime = Runtime(
        config,
        with_currency_check(config.currency, COLLECTIONS),
        _dispatcher_factory(config, shared.registry, observer),
        observer=metrics,
        delivers=delivers,
        close_gateway=gateway.close,
    )
    app = _Flask(__name__, static_folder=None)
    app.url_map.strict_slashes = app.url_map.merge_slashes = False
    app.config["PREFERRED_URL_SCHEME"] = urlsplit(config.url or "http:").scheme
    app.config["MAX_CONTENT_LENGTH"] = MAX_READ_BYTES
    app.extensions["daybook"] = runtime
    app.extensions["daybook_spans"] = spans
    observe_requests(app, metrics, spans)
    _install_hooks(app, config, runtime)
    _install_api(app, config, runtime.store, metrics, shared)
    _install_pages(app, config, runtime, metrics, shared)
    problems.install(app)
    cli.install(app)
    # the limiter counts by the client's address, which a trusted proxy passes on
    limited = RequestLimiter(app.wsgi_app, config.threads)
    served = trust_proxies(config.trusted_proxies, limited)
    app.wsgi_app = with_security_headers(served)  # type: ignore[assignment]  # (as Flask documents)
    return app


class _Flask(Flask):
    """Flask for functions that are all synchronous."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function. Flask inspects each hook and view again at each request."""
        return func


def connect_handlers(
    config: Config, gateway: PaymentGateway, webhooks: WebhookHandlers
) -> HandlerRegistry:
    """Return the registry that says which service handles which event."""
    registry = HandlerRegistry(documents_of_order)
    order_changes = (types.OrderUpdated, types.OrderCancelled, types.OrderDeleted)
    order_events = (types.OrderPlaced, *order_changes)
    reservations = (types.InventoryReserved, types.InventoryBackordered)
    shipments = (types.OrderFulfilled, types.OrderDelivered)
    payments = (types.PaymentCaptured, types.PaymentFailed, types.PaymentRefunded)
    for_manager = (types.ProductLowStock, types.ProductLowStockDigest, types.WebhookDisabled)
    prepare = partial(prepare_shipment, shipping_policy(config))
    mail = _mail_handler(config)
    registry.connect(TransactionalHandler("inventory", reserve), *order_events)
    registry.connect(TransactionalHandler("inventory", on_stock_freed), types.StockFreed)
    registry.connect(TransactionalHandler("inventory", on_fulfilled), types.OrderFulfilled)
    registry.connect(billing(gateway), *order_events)
    registry.connect(mail, *order_events, *reservations, *payments, *shipments, *for_manager)
    registry.connect(mail_eraser(_mail_folder(config)), types.CustomerForgotten)
    registry.connect(TransactionalHandler("orders", on_inventory_event), *reservations)
    registry.connect(TransactionalHandler("orders", on_shipment_event), *shipments)
    registry.connect(
        TransactionalHandler("shipping", prepare),
        *order_changes,
        *reservations,
        types.PaymentCaptured,
    )
    registry.connect(TransactionalHandler("orders", on_payment), *payments)
    registry.connect_group(WEBHOOK, webhooks.handler)
    return registry


def documents_of_order(event: types.Envelope) -> Iterator[Place]:
    """Return what the handlers of an order's event read, those of the events that follow too."""
    for collection in (ORDERS, RESERVATIONS, INVOICES, SHIPMENTS):
        yield collection.name, event.subject
    for line in event.data.get("order", {}).get("items", ()):
        yield PRODUCTS.name, line["product"]


def _dispatcher_factory(
    config: Config, registry: HandlerRegistry, observer: Observer
) -> Callable[[Store], Dispatcher]:
    retries = RetryPolicy(config.retry_attempts, config.retry_wait)
    low_stock = ScheduledJob(
        "low stock", config.low_stock_check, config.timezone, emit_low_stock_digest
    )
    expiry = ExpiryJob([IDEMPOTENCY_EXPIRY, COUNTS_EXPIRY, SESSIONS_EXPIRY])
    jobs: list[Job] = [low_stock, expiry]
    if config.keep_days:
        retention = Retention(config.keep_days, config.timezone)
        jobs.append(ScheduledJob("retention", RETENTION_TIME, config.timezone, retention.run))
    return lambda store: Dispatcher(
        store, registry, retries, jobs=jobs, with_faults=config.faults, observer=observer
    )


def _install_hooks(app: Flask, config: Config, runtime: Runtime) -> None:
    """Install the checks that run before every request, and what completes every response."""
    rate_limiter = RateLimiter(config.caller_rate, config.address_rate)
    guard = Guard(runtime.store, config.oidc_issuer or "")
    app.before_request(check_head)
    hosts = config.trusted_hosts or LOCAL_HOSTS | {config.host.lower()}
    app.before_request(trusted_host_check(hosts, PROBES))
    app.before_request(refuse_cross_site_requests)
    app.before_request(runtime.start)
    app.before_request(rate_limiter.limit(guard.authorize))
    app.after_request(announce_patch)
    app.after_request(compress)


def _install_api(
    app: Flask, config: Config, store: Store, metrics: Metrics, shared: _Shared
) -> None:
    """Install the routes for programs."""
    store_metrics = StoreMetrics(store, HANDLERS, config.data)
    zone, slots = config.timezone, LongPollSlots(config.threads // 4)
    for blueprint in (
        order_routes.blueprint(store, _order_policy(config), zone, slots),
        inventory_routes.blueprint(store, config.currency),
        billing_routes.blueprint(store, _shop(config)),
        shipping_routes.blueprint(store, shipping_policy(config), zone, config.carrier_secret),
        event_routes.blueprint(store, HANDLERS, resolve_order_id, zone, with_faults=config.faults),
        observability_routes.blueprint(store, metrics, store_metrics, config.ready_delay_s),
        webhook_routes.blueprint(store, shared.webhooks, zone),
        docs.blueprint(),
    ):
        app.register_blueprint(blueprint)


def _install_pages(
    app: Flask, config: Config, runtime: Runtime, metrics: Metrics, shared: _Shared
) -> None:
    """Install the pages for people."""
    context = PageContext(
        runtime.store,
        _order_policy(config),
        _shop(config),
        config,
        handlers=HANDLERS,
        webhooks=shared.webhooks,
        cards=shared.gateway.cards,
        count_streams=metrics.streams.inc,
        count_done=metrics.count_done,
        registry=shared.registry,
        journal_lines=runtime.journal_lines,
        file_head=runtime.file_head,
        provider=_oidc_provider(config),
        stopping=runtime.stopping,
    )
    pages.install(app, context)


def _order_policy(config: Config) -> OrderPolicy:
    return OrderPolicy(config.currency, config.unlisted_products, config.payment_method)


def _mail_handler(config: Config) -> SideEffectHandler:
    """Return the handler that sends mails: one by one by SMTP, or together into a folder."""
    if config.smtp_url:
        notifier = _notifier(config, Smtp(config.smtp_url))
        return SideEffectHandler(
            "notification", notifier.on_event, notifier.prepare, notifier.skips
        )
    maildir = _mail_folder(config)
    notifier = _notifier(config, maildir)
    return SideEffectHandler(
        "notification", notifier.compose, notifier.prepare, notifier.skips, maildir.send_all
    )


def _notifier(config: Config, transport: Transport) -> Notifier:
    return Notifier(
        transport,
        config.mail_from,
        enabled=config.mails,
        manager=config.manager_email,
        url=config.url,
        receipt=partial(receipt_pdf, _shop(config)),
    )


def _mail_folder(config: Config) -> Maildir:
    return Maildir(config.data / "mail")


def _oidc_provider(config: Config) -> "OidcProvider | None":
    """Return the OpenID provider for sign-in; its settings are set together or not at all."""
    if not (config.oidc_issuer and config.oidc_client_id and config.oidc_client_secret):
        return None
    from app.auth.oidc import OidcProvider, Registration  # imported only where it is used: slow

    return OidcProvider(
        Registration(
            config.oidc_issuer,
            config.oidc_client_id,
            config.oidc_client_secret,
            config.oidc_role_claim,
            config.oidc_roles,
        )
    )


def _shop(config: Config) -> ReceiptIssuer:
    return ReceiptIssuer(
        config.shop_name, config.shop_address, config.timezone, config.shop_tax_number
    )
