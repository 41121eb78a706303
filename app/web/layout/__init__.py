"""Shared by all pages: context, forms, CSRF tokens, redirects, cursors and live updates."""
