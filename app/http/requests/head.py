"""Checks of a request's method, Host, Range and Accept, which Flask and Granian leave open.

The target in absolute form (RFC 9112, 3.2.2) needs no check: WSGI has its path only.
"""

import re

from flask import request
from werkzeug import exceptions

from app.kernel.errors import Malformed

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._~!$&'()*+;=%-]{1,255})(:[0-9]{0,5})?")
"""uri-host and port (RFC 9110, 7.2), without the comma by which Granian joins two fields."""

HTTP_1_0 = ("HTTP/1.0", "HTTP/1")
"""The second one is Granian's."""


def check_head() -> None:
    """Refuse a request with an unknown method or a wrong Host; drop a Range in an unknown unit.

    Runs of spaces in Accept become one.

    Raises NotImplemented (501) for a method in lower case, because methods are case-sensitive
    (RFC 9110, 9.1), and Malformed unless there is exactly one Host (RFC 9112, 3.2); a request in
    HTTP/1.0 needs none.
    """
    environ = request.environ
    method = environ["REQUEST_METHOD"]
    if not method.isupper():
        raise exceptions.NotImplemented(f"Methods are case-sensitive; send {method.upper()}.")
    host = environ.get("HTTP_HOST", "")
    if not _HOST.fullmatch(host) and (host or environ["SERVER_PROTOCOL"] not in HTTP_1_0):
        raise Malformed("Send one Host header, with the name or address of this server.")
    if not environ.get("HTTP_RANGE", "").lower().startswith("bytes"):
        environ.pop("HTTP_RANGE", None)  # as RFC 9110, 14.2 asks; werkzeug would respond with 416
    if "HTTP_ACCEPT" in environ:  # in a long run of spaces werkzeug takes n² steps
        environ["HTTP_ACCEPT"] = " ".join(environ["HTTP_ACCEPT"].split())
