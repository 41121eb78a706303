"""HTTP parts that all routes share: errors, bodies, conditional requests, paging, idempotency.

Imports go one way (held by import-linter): operation, requests/, responses/, security/. No module
here knows a route or a domain service.
"""
