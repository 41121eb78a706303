"""Billing: the invoices."""
