"""Imports of products and orders from CSV and NDJSON files, with a file of the rejected rows."""
