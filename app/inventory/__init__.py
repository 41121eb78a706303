"""Inventory: products, stock and reservations."""
