"""Registers all pages, grouped by the role that may see them; all staff may see the flow."""

from flask import Blueprint, Flask, url_for

from app.auth.permissions import PERMISSIONS
from app.http.security.identity import current
from app.web.clerk import mailbox, orders, several_orders, several_shipments, shipping
from app.web.customer import order_page, shop
from app.web.flow import files as flow_files
from app.web.flow import page as flow
from app.web.layout import live
from app.web.layout.context import PageContext, install_pages
from app.web.manager import forget, overview, product_import, stock, webhooks
from app.web.operator import events
from app.web.sign_in import oidc, password

GROUPS = {
    "customer": (shop, order_page, live),
    "sign_in": (password, oidc),
    "clerk": (orders, several_orders, shipping, several_shipments, mailbox),
    "manager": (stock, product_import, overview, forget, webhooks),
    "operator": (events,),
    "flow": (flow, flow_files),
}
STAFF_PAGES = {
    "Desk": "web.clerk.show_orders",
    "Stock": "web.manager.show_stock",
    "Shipping": "web.clerk.show_shipping",
    "Mail": "web.clerk.show_mailbox",
    "Events": "web.operator.show_events",
    "Webhooks": "web.manager.show_webhooks",
    "Flow": "web.flow.show_flow",
    "Overview": "web.manager.show_overview",
}
"""The pages in the navigation bar, in its order; the bar shows those that the role may see."""


def install(app: Flask, context: PageContext) -> None:
    """Register the pages with the application."""
    groups = []
    for name, modules in GROUPS.items():
        group = Blueprint(name, __name__)
        for module in modules:
            module.add_to(group, context)
        groups.append(group)
    install_pages(app, context, *groups)
    app.jinja_env.globals["staff_pages"] = lambda: {
        name: url_for(endpoint)
        for name, endpoint in STAFF_PAGES.items()
        if current().may(PERMISSIONS[endpoint])
    }
