"""Permissions: the public endpoints, and the lowest role that may use each other endpoint.

A test fails when an endpoint is in neither table; the guard allows it to operators only.
"""

from app.kernel.identity import CLERK, MANAGER, METRICS, OPERATOR

PROBES = frozenset({"observability.livez", "observability.readyz"})
"""Health checks: they need no key, and work while the store fails."""

_PUBLIC = """
    web.static web.customer.show_shop web.customer.submit_order web.customer.show_stock_badges
    web.customer.show_picture
    web.customer.show_order web.customer.show_receipt web.customer.cancel_own_order
    web.customer.pay_own_order web.customer.order_again
    web.customer.stream_changes
    web.sign_in.show_sign_in web.sign_in.submit_sign_in web.sign_in.start_oidc
    web.sign_in.oidc_callback web.sign_in.sign_out web.sign_in.sign_out_everywhere
    shipping.delivered
    docs.show_docs docs.get_contract docs.get_collection docs.get_file docs.static
"""

PUBLIC_ENDPOINTS = PROBES.union(_PUBLIC.split())
"""Endpoints without authentication: health checks; pages of customers, who see only the orders
whose secret link they have; call-backs of carriers, which are signed; sign-in; the API contract."""

_ENDPOINTS = {
    CLERK: """
        orders.post_order orders.list_orders orders.get_order orders.patch_order
        orders.delete_order orders.cancel_order orders.get_events
        inventory.list_products inventory.get_product inventory.list_stock
        billing.get_receipt
        shipping.list_shipments shipping.get_shipment shipping.ship
        events.list_events
        web.clerk.show_orders web.clerk.export_orders
        web.clerk.show_order web.clerk.change_order web.clerk.cancel_order web.clerk.edit_order
        web.clerk.confirm_delete web.clerk.delete_order
        web.clerk.show_receipts web.clerk.show_packing_lists
        web.clerk.confirm_cancellations web.clerk.cancel_chosen
        web.clerk.show_shipping web.clerk.show_packing_list web.clerk.show_shipment web.clerk.ship
        web.clerk.show_chosen web.clerk.ship_chosen
        web.clerk.show_mailbox web.clerk.show_mail web.clerk.show_mail_body
        web.flow.show_flow web.flow.show_code web.flow.show_journal
    """,
    MANAGER: """
        inventory.post_product inventory.patch_product inventory.delete_product
        inventory.post_stock
        webhooks.post_webhook webhooks.list_webhooks webhooks.get_webhook
        webhooks.patch_webhook webhooks.delete_webhook webhooks.rotate_secret
        webhooks.send_sample_event webhooks.list_deliveries webhooks.recover
        web.manager.show_stock web.manager.add_product web.manager.show_product
        web.manager.change_product web.manager.show_overview web.manager.export_products
        web.manager.confirm_forget web.manager.forget
        web.manager.show_webhooks web.manager.add_webhook
        web.manager.show_webhook web.manager.change_webhook
        web.manager.show_import web.manager.preview_import web.manager.run_import
    """,
    OPERATOR: """
        events.list_failures events.replay events.discard
        events.list_faults events.set_fault events.clear_fault
        web.operator.show_events web.operator.show_event web.operator.replay
        web.operator.replay_one web.operator.discard
        web.operator.set_fault web.operator.clear_fault
        web.flow.show_failure_file web.flow.set_pace
    """,
    METRICS: "observability.metrics",
}

PERMISSIONS = {endpoint: role for role, names in _ENDPOINTS.items() for endpoint in names.split()}
