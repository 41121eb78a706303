"""Checkpoint files: the readable JSON files, read and written."""
