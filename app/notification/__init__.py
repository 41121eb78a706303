"""Notification: e-mail to customers."""
