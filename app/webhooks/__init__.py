"""Webhooks: events sent to other systems by HTTP, signed as Standard Webhooks."""
