"""Origin, cookies, proxies, identity."""
