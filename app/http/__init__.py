"""What every route shares: problem details, strict bodies, conditional requests, paging, idempotency."""
