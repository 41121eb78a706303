"""The URL that webhooks go to: what it must look like, and its parts."""

import re
import socket
from typing import NamedTuple, NoReturn
from urllib.parse import SplitResult, urlsplit

from app.kernel.errors import Invalid, Problem
from app.webhooks.addresses import NOT_ALLOWED, is_allowed

URL_MAX_CHARS = 2000

_PORTS = {"https": 443, "http": 80}
_UNSOUND = re.compile(r'[^!-~]|[\\<>"]')
_HOST = re.compile(
    r"(?=.{1,253}$)(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?"  # a name, or IPv4 in any form
    r"|(?=.*:)[0-9a-f:.]{2,45}"  # IPv6, without a zone
)


class Target(NamedTuple):
    """The parts of a URL; `authority` is the Host header, `path` has the query too."""

    is_tls: bool
    host: str
    port: int
    authority: str
    path: str


def parse(url: str, *, allow_http: bool, allow_private: bool) -> Target:
    """The parts of a URL. Raises Invalid, with the pointer /url, when it can never be used.

    A name is not resolved here, because it may lead to another address later.
    """
    if len(url) > URL_MAX_CHARS or _UNSOUND.search(url):
        _refuse(
            f"must have at most {URL_MAX_CHARS} characters of ASCII, without spaces; write other "
            "letters of a name as xn--…, others as %XX"
        )
    try:
        parts = urlsplit(url)
        host, given_port = parts.hostname or "", parts.port
    except ValueError:
        _refuse("is not a URL")
    _refuse_unusable_parts(url, parts, allow_http=allow_http)
    authority = _authority(host, given_port)
    if not _HOST.fullmatch(host) or parts.netloc.lower() != authority:
        _refuse("must have a valid host name, and after it at most a port")
    if not allow_private and _is_never_allowed(host):
        _refuse(f"must not lead to {host}, which is {NOT_ALLOWED}")
    port = given_port or _PORTS[parts.scheme]
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme == "https", host, port, authority, path)


def _refuse_unusable_parts(url: str, parts: SplitResult, *, allow_http: bool) -> None:
    if parts.scheme not in _PORTS:
        _refuse("must begin with https://")
    if parts.scheme == "http" and not allow_http:
        _refuse("must begin with https://; only DAYBOOK_WEBHOOK_HTTP=on allows http://")
    if "@" in parts.netloc:
        _refuse("must not contain a user or password")
    if "#" in url:
        _refuse("must not have a fragment (#)")
    if parts.port == 0:
        _refuse("must not have port 0")


def _authority(host: str, port: int | None) -> str:
    """The host and port as a URL has them; urlsplit skips what stands around the brackets."""
    name = f"[{host}]" if ":" in host else host
    return name if port is None else f"{name}:{port}"


def _is_never_allowed(host: str) -> bool:
    """Whether the host is an address that is not allowed, in any form that the system reads.

    The system reads 127.1, 0x7f.0.0.1 and 2130706433 as 127.0.0.1.
    """
    if f".{host.rstrip('.')}".endswith(".localhost"):  # RFC 6761, 6.3
        return True
    try:
        found = socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
    except OSError:
        return False  # a name
    return not all(is_allowed(str(each[4][0])) for each in found)


def _refuse(message: str) -> NoReturn:
    raise Invalid([Problem("/url", message)])
