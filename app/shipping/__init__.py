"""Shipping: the shipment of each order, its hand-over to a carrier, and delivery reports."""
