"""Reading requests: bodies, limits, conditions, idempotency keys, paging, long polls."""
