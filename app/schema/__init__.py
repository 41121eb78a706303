"""Schemas of requests and of stored documents: field types, validation, strict JSON."""
