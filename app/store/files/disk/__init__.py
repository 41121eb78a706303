"""File-system errors and locks between processes."""
