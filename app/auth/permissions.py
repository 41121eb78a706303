"""Permissions: the public endpoints, and the lowest role that may use each other endpoint.

A test fails when an endpoint is in neither table; the guard allows it to operators only.
"""

from app.kernel.identity import CLERK, MANAGER, METRICS, OPERATOR

PROBES = frozenset({"observability.livez", "observability.readyz"})
"""Health checks: they need no key, and work while the store fails."""

PUBLIC_ENDPOINTS = PROBES | frozenset(
    {
        "web.static",
        "web.customer.show_shop",
        "web.customer.submit_order",
        "web.customer.show_stock_badges",
        "web.customer.show_order",
        "web.customer.show_receipt",
        "web.customer.cancel_own_order",
        "web.customer.stream_changes",
        "web.sign_in.show_sign_in",
        "web.sign_in.submit_sign_in",
        "web.sign_in.start_oidc",
        "web.sign_in.oidc_callback",
        "web.sign_in.sign_out",
        "web.sign_in.sign_out_everywhere",
        "shipping.delivered",
        "docs.show_docs",
        "docs.get_contract",
        "docs.get_collection",
        "docs.get_file",
        "docs.static",
    }
)
"""Endpoints without authentication: health checks; pages of customers, who see only the orders
whose secret link they have; call-backs of carriers, which are signed; sign-in; the API contract."""

PERMISSIONS = {
    "orders.post_order": CLERK,
    "orders.list_orders": CLERK,
    "orders.get_order": CLERK,
    "orders.patch_order": CLERK,
    "orders.delete_order": CLERK,
    "orders.cancel_order": CLERK,
    "orders.get_events": CLERK,
    "inventory.list_products": CLERK,
    "inventory.get_product": CLERK,
    "inventory.list_stock": CLERK,
    "inventory.post_product": MANAGER,
    "inventory.patch_product": MANAGER,
    "inventory.delete_product": MANAGER,
    "inventory.post_stock": MANAGER,
    "billing.get_receipt": CLERK,
    "shipping.list_shipments": CLERK,
    "shipping.get_shipment": CLERK,
    "shipping.ship": CLERK,
    "web.clerk.show_orders": CLERK,
    "web.clerk.show_order": CLERK,
    "web.clerk.change_order": CLERK,
    "web.clerk.cancel_order": CLERK,
    "web.clerk.confirm_delete": CLERK,
    "web.clerk.delete_order": CLERK,
    "web.clerk.show_shipping": CLERK,
    "web.clerk.show_packing_list": CLERK,
    "web.clerk.show_shipment": CLERK,
    "web.clerk.ship": CLERK,
    "web.clerk.show_mailbox": CLERK,
    "web.clerk.show_mail": CLERK,
    "web.clerk.show_mail_body": CLERK,
    "web.manager.show_stock": MANAGER,
    "web.manager.add_product": MANAGER,
    "web.manager.show_product": MANAGER,
    "web.manager.change_product": MANAGER,
    "web.manager.show_overview": MANAGER,
    "web.operator.show_events": OPERATOR,
    "web.operator.show_event": OPERATOR,
    "web.operator.replay": OPERATOR,
    "web.operator.replay_one": OPERATOR,
    "web.operator.discard": OPERATOR,
    "web.operator.set_fault": OPERATOR,
    "web.operator.clear_fault": OPERATOR,
    "events.list_events": CLERK,
    "events.list_failures": OPERATOR,
    "events.replay": OPERATOR,
    "events.discard": OPERATOR,
    "events.list_faults": OPERATOR,
    "events.set_fault": OPERATOR,
    "events.clear_fault": OPERATOR,
    "observability.metrics": METRICS,
}
