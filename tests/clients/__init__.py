"""Tests with other tools that read openapi.yaml or call a running service; all are deep."""
