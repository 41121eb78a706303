"""The boundaries between the parts of the application."""
