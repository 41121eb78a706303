"""The contract: what clients may rely on, made from what the routes say of themselves.

`flask openapi` writes it to openapi.yaml; tests/openapi/test_openapi_yaml.py refuses a stale file,
and holds the service to it. Nothing is described here that a route could say: only what HTTP and
RFC 9457 mean to all of them.
"""
