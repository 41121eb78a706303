"""Delivers events to handlers."""
