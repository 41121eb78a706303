"""What every route shares.

Problem details, strict bodies, conditional requests, paging, idempotency, and what a route says of
itself. No route repeats any of it.
"""
