"""Our cookies: not for scripts, not sent with other sites' forms, and over TLS for one host only.

A name that begins with __Host- is taken by browsers only over TLS, for this host alone and all of
its paths (RFC 6265bis, 4.1.3.2), so nobody beside us can plant one. Plain HTTP cannot have that
prefix; it serves this machine, or a proxy that is not declared by DAYBOOK_URL.
"""

from flask import Response, current_app, request

PREFIX = "__Host-"


def is_secure() -> bool:
    """Whether the browser speaks TLS, with us or with the proxy that DAYBOOK_URL declares."""
    return request.is_secure or current_app.config["PREFERRED_URL_SCHEME"] == "https"


def read_cookie(name: str) -> str:
    """What the browser has under this name; "" when it has nothing."""
    return request.cookies.get(_full(name), "")


def give_cookie(response: Response, name: str, value: str, max_age_s: int | None = None) -> None:
    """Have the browser keep a value: until it is closed, or `max_age_s`."""
    response.set_cookie(
        _full(name),
        value,
        max_age=max_age_s,
        secure=is_secure(),
        httponly=True,
        samesite="Lax",
    )


def drop_cookie(response: Response, name: str) -> None:
    """Have the browser forget a value."""
    give_cookie(response, name, "", max_age_s=0)


def _full(name: str) -> str:
    return PREFIX + name if is_secure() else name
