"""The WSGI entry point of a checkout, for `flask` and for other servers."""

from app.wsgi import app

__all__ = ["app"]
