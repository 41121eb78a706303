"""Notification: the mail."""
