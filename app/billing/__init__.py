"""Billing: an invoice for each order, its payments, and receipts."""
