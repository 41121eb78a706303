"""Shipping: what the warehouse packs, and what the carrier says."""
