"""Notification: e-mail to customers and to the manager, by SMTP or into a Maildir folder."""
