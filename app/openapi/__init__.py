"""The OpenAPI contract, generated from the routes and their `Operation` descriptions.

`flask openapi` writes it to openapi.yaml; tests/openapi/test_openapi_yaml.py fails when that file
is stale or the service breaks the contract. Texts about one route are in its module; this package
has only those about HTTP and RFC 9457 that hold for all routes.
"""
