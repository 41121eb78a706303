"""Security of all requests: origin and host checks, cookies, trusted proxies, identity."""
