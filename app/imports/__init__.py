"""Imports of products and orders from CSV and NDJSON files: read, brought in, reported."""
