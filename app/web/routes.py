"""All pages, grouped by who may see them."""

from flask import Blueprint, Flask, url_for

from app.auth.permissions import PERMISSIONS
from app.http.security.identity import current
from app.web.clerk import mailbox, orders, shipping
from app.web.customer import order_page, shop
from app.web.layout import live
from app.web.layout.context import PageContext, install_pages
from app.web.manager import overview, stock
from app.web.operator import events
from app.web.sign_in import oidc, password

GROUPS = {
    "customer": (shop, order_page, live),
    "door": (password, oidc),
    "clerk": (orders, shipping, mailbox),
    "manager": (stock, overview),
    "operator": (events,),
}
STAFF = {
    "Desk": "web.clerk.show_desk",
    "Stock": "web.manager.show_stock",
    "Shipping": "web.clerk.show_shipping",
    "Mail": "web.clerk.show_mails",
    "Events": "web.operator.show_events",
    "Overview": "web.manager.show_overview",
}
"""The pages between which the staff goes, in the order in which the bar shows them; each sees those
that their role may use."""


def install(app: Flask, site: PageContext) -> None:
    """Put the pages into the application."""
    groups = []
    for name, parts in GROUPS.items():
        group = Blueprint(name, __name__)
        for part in parts:
            part.add_to(group, site)
        groups.append(group)
    install_pages(app, site, *groups)
    app.jinja_env.globals["staff_pages"] = lambda: {
        name: url_for(endpoint)
        for name, endpoint in STAFF.items()
        if current().may(PERMISSIONS[endpoint])
    }
