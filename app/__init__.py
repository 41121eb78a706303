"""Daybook: `create_app` is the only place where the parts meet."""

import os
from functools import partial
from urllib.parse import urlsplit

from flask import Flask

from app import cli
from app.auth.guard import Guard
from app.auth.keys import KEYS
from app.auth.provider import Provider
from app.auth.rates import Rates
from app.auth.sessions import SESSIONS
from app.auth.sign_in_throttle import ATTEMPTS
from app.auth.users import USERS
from app.billing import routes as billing_routes
from app.billing.handlers import billing
from app.billing.receipt import Shop, receipt_pdf
from app.billing.service import INVOICES
from app.billing.simulator import gateway
from app.config import Config, from_environment
from app.events import routes as event_routes
from app.events.dispatch.dispatcher import Dispatcher
from app.events.dispatch.jobs import DAYS, ScheduledJob
from app.events.dispatch.retry import RetryPolicy
from app.events.failures import FAILURES
from app.events.faults import FAULTS
from app.events.outbox import EVENTS, OUTBOX, TIMELINES
from app.events.registry import HandlerRegistry, SideEffectHandler, TransactionalHandler
from app.events.types import (
    InventoryBackordered,
    InventoryReserved,
    OrderCancelled,
    OrderDeleted,
    OrderDelivered,
    OrderFulfilled,
    OrderPlaced,
    OrderUpdated,
    PaymentCaptured,
    PaymentFailed,
    PaymentRefunded,
    ProductLowStock,
    ProductLowStockDigest,
    StockFreed,
)
from app.http.requests.body import READ_AT_MOST_BYTES, announce_patch
from app.http.requests.idempotency import IDEMPOTENCY
from app.http.requests.limiter import RequestLimiter
from app.http.requests.long_poll import LongPollSlots
from app.http.responses import problems
from app.http.responses.compression import compressed
from app.http.security.origin import THIS_MACHINE, host_check, refuse_other_sites, with_headers
from app.http.security.proxies import behind
from app.inventory import routes as inventory_routes
from app.inventory.handlers import on_fulfilled, on_stock_freed
from app.inventory.handlers import on_order_event as reserve
from app.inventory.service import LEDGER, PRODUCTS, RESERVATIONS, tell_what_is_low
from app.notification.handlers import Notifier
from app.notification.maildir import Maildir
from app.notification.smtp import Smtp
from app.notification.transport import Transport
from app.observability import routes as watching_routes
from app.observability.delivery_log import DeliveryLog, ObserverGroup
from app.observability.metrics import Metrics
from app.observability.request_log import watch
from app.observability.store_metrics import StoreMetrics
from app.observability.tracing import spans_to
from app.openapi import docs
from app.orders import routes as order_routes
from app.orders.currency import SHOP, with_currency_check
from app.orders.handlers import on_inventory_event, on_payment, on_shipment_event
from app.orders.references import REFERENCES
from app.orders.service import ORDERS, Rules
from app.server.runtime import Runtime
from app.shipping import routes as shipping_routes
from app.shipping.handlers import on_order_event as prepare_shipment
from app.shipping.service import SHIPMENTS, rules_of
from app.store import Collection
from app.web import routes as pages
from app.web.layout.context import PageContext

COLLECTIONS: tuple[Collection, ...] = (
    ORDERS,
    REFERENCES,
    PRODUCTS,
    LEDGER,
    RESERVATIONS,
    INVOICES,
    SHIPMENTS,
    OUTBOX,
    EVENTS,
    TIMELINES,
    FAILURES,
    FAULTS,
    DAYS,
    IDEMPOTENCY,
    KEYS,
    USERS,
    SESSIONS,
    ATTEMPTS,
    SHOP,
)

HANDLERS = frozenset({"orders", "inventory", "billing", "shipping", "notification"})


def create_app(config: Config | None = None, *, delivers: bool = True) -> Flask:
    """The application. Opens nothing: the first request, command or `Runtime.start` does.

    Without `config` the DAYBOOK_* variables count; raises Invalid when one is wrong. Without
    `delivers`, it is another process that delivers events and writes the readable files.
    """
    config = config or from_environment(os.environ)
    signals = connect_handlers(config)
    spans = spans_to(config.otlp_endpoint)
    metrics = Metrics(HANDLERS, config.currency.code, on_commit=spans.committed if spans else None)
    tracing = (spans,) if spans else ()
    runtime = Runtime(
        config,
        with_currency_check(config.currency, COLLECTIONS),
        lambda store: Dispatcher(
            store,
            signals,
            RetryPolicy(config.retry_attempts, config.retry_wait),
            daily=[
                ScheduledJob("low stock", config.low_stock_check, config.timezone, tell_what_is_low)
            ],
            with_faults=config.faults,
            observer=ObserverGroup(metrics, DeliveryLog(), *tracing),
        ),
        observer=metrics,
        delivers=delivers,
    )
    app = Flask(__name__, static_folder=None)
    app.url_map.strict_slashes = app.url_map.merge_slashes = False
    app.extensions["daybook"] = runtime
    app.config["PREFERRED_URL_SCHEME"] = urlsplit(config.url or "http:").scheme
    app.config["MAX_CONTENT_LENGTH"] = READ_AT_MOST_BYTES
    app.extensions["daybook_spans"] = spans
    watch(app, metrics, spans)
    app.before_request(host_check(config.trusted_hosts or THIS_MACHINE | {config.host.lower()}))
    app.before_request(refuse_other_sites)
    app.before_request(runtime.start)
    rates = Rates(config.caller_rate, config.address_rate)
    app.before_request(rates.around(Guard(runtime, config.oidc_issuer or "").admit))
    app.after_request(announce_patch)
    app.after_request(compressed)
    rules = Rules(config.currency, config.unlisted_products, config.payment_method)
    long_poll_slots = LongPollSlots(config.threads // 4)
    app.register_blueprint(order_routes.blueprint(runtime, rules, long_poll_slots))
    app.register_blueprint(inventory_routes.blueprint(runtime, config.currency))
    app.register_blueprint(billing_routes.blueprint(runtime, order_routes.id_of, _shop(config)))
    app.register_blueprint(
        shipping_routes.blueprint(
            runtime, rules_of(config), order_routes.id_of, config.carrier_secret
        )
    )
    app.register_blueprint(
        event_routes.blueprint(runtime, HANDLERS, order_routes.id_of, with_faults=config.faults)
    )
    app.register_blueprint(
        watching_routes.blueprint(
            runtime, metrics, StoreMetrics(runtime, HANDLERS, config.data), config.ready_delay_s
        )
    )
    app.register_blueprint(docs.blueprint())
    context = PageContext(
        runtime,
        rules,
        config.timezone,
        config.data / "mail",
        _shop(config),
        with_faults=config.faults,
        handlers=HANDLERS,
        sends_by_smtp=config.smtp_url is not None,
        streams=config.threads // 4,
        count_streams=metrics.streams.inc,
        provider=_provider(config),
    )
    pages.install(app, context)
    problems.install(app)
    cli.install(app)
    served = RequestLimiter(behind(config.trusted_proxies, app.wsgi_app), config.threads)
    app.wsgi_app = with_headers(served)  # type: ignore[assignment]  # (as Flask documents)
    return app


def connect_handlers(config: Config) -> HandlerRegistry:
    """Which service hears of which event."""
    signals = HandlerRegistry()
    notifier = _notifier(config)
    order_events = (OrderPlaced, OrderUpdated, OrderCancelled, OrderDeleted)
    signals.connect(TransactionalHandler("inventory", reserve), *order_events)
    signals.connect(TransactionalHandler("inventory", on_stock_freed), StockFreed)
    signals.connect(TransactionalHandler("inventory", on_fulfilled), OrderFulfilled)
    signals.connect(billing(gateway(config)), *order_events)
    signals.connect(
        SideEffectHandler("notification", notifier.on_event, notifier.precheck),
        *order_events,
        InventoryReserved,
        InventoryBackordered,
        PaymentCaptured,
        PaymentFailed,
        PaymentRefunded,
        OrderFulfilled,
        OrderDelivered,
        ProductLowStock,
        ProductLowStockDigest,
    )
    signals.connect(
        TransactionalHandler("orders", on_inventory_event), InventoryReserved, InventoryBackordered
    )
    signals.connect(
        TransactionalHandler("orders", on_shipment_event), OrderFulfilled, OrderDelivered
    )
    signals.connect(
        TransactionalHandler("shipping", partial(prepare_shipment, rules_of(config))),
        OrderUpdated,
        OrderCancelled,
        OrderDeleted,
        InventoryReserved,
        InventoryBackordered,
        PaymentCaptured,
    )
    signals.connect(
        TransactionalHandler("orders", on_payment), PaymentCaptured, PaymentFailed, PaymentRefunded
    )
    return signals


def _notifier(config: Config) -> Notifier:
    transport: Transport = Maildir(config.data / "mail")
    if config.smtp_url:
        transport = Smtp(config.smtp_url)
    return Notifier(
        transport,
        config.mail_from,
        enabled=config.mails,
        manager=config.manager_email,
        url=config.url,
        receipt=partial(receipt_pdf, _shop(config)),
    )


def _provider(config: Config) -> Provider | None:
    """Who signs people in besides this shop; the settings are all there or none is."""
    if not (config.oidc_issuer and config.oidc_client_id and config.oidc_client_secret):
        return None
    from app.auth.oidc import OidcProvider, Registration  # not for shops that have no provider

    return OidcProvider(
        Registration(
            config.oidc_issuer,
            config.oidc_client_id,
            config.oidc_client_secret,
            config.oidc_role_claim,
            config.oidc_roles,
        )
    )


def _shop(config: Config) -> Shop:
    return Shop(config.shop_name, config.shop_address, config.timezone)
