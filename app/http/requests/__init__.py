"""What arrives: bodies, limits, idempotency keys, paging, preferences."""
