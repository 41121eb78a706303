"""Billing: an invoice for each order."""
