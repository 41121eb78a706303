"""Cookies of this service: HttpOnly, SameSite=Lax, and over TLS Secure with the __Host- prefix.

Browsers accept a cookie with the prefix __Host- only over TLS, for this host alone and all of its
paths (RFC 6265bis, 4.1.3.2), so another host of the same domain cannot plant one. Plain HTTP cannot
use the prefix; it serves this machine, or a proxy that DAYBOOK_URL does not declare.
"""

from flask import Response, current_app, request

PREFIX = "__Host-"


def is_secure() -> bool:
    """Whether the browser uses TLS, to this service or to the proxy that DAYBOOK_URL declares."""
    return request.is_secure or current_app.config["PREFERRED_URL_SCHEME"] == "https"


def get_cookie(name: str) -> str:
    """The value of a cookie of the request; "" without one."""
    return request.cookies.get(_full_name(name), "")


def set_cookie(response: Response, name: str, value: str, max_age_s: int | None = None) -> None:
    """Set a cookie for `max_age_s`, or without it until the browser is closed."""
    response.set_cookie(
        _full_name(name),
        value,
        max_age=max_age_s,
        secure=is_secure(),
        httponly=True,
        samesite="Lax",
    )


def delete_cookie(response: Response, name: str) -> None:
    """Delete a cookie in the browser."""
    set_cookie(response, name, "", max_age_s=0)


def _full_name(name: str) -> str:
    return PREFIX + name if is_secure() else name
