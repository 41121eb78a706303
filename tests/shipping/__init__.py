"""Shipping: shipments and the carrier."""
