"""What other people's tools make of openapi.yaml and of a running service; all of it is deep."""
