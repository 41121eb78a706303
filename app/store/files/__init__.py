"""The JSON file store."""
