"""Parsers of the settings' texts; each raises a ValueError that says what the text must be."""

import re
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import time
from email.message import EmailMessage
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

from app.kernel.email_address import mail_address

T = TypeVar("T")

MAILS = (
    "placed",
    "changed",
    "cancelled",
    "deleted",
    "confirmed",
    "backordered",
    "available",
    "declined",
    "refunded",
    "receipt",
    "shipped",
    "delivered",
    "low_stock",
    "low_stock_digest",
    "webhook_disabled",
)
"""The kinds of mail. By default no mail is sent when an order is confirmed.

The mail about the placed order went out just before, and the receipt follows within a second.
"""


FILES = "file"
"""The setting of the store on files; others are the URL of a PostgreSQL database."""


@contextmanager
def _refusing(rule: str) -> Iterator[None]:
    """Replace the error of a parser, inside the block or decorated function, by the `rule`."""
    try:
        yield
    except (ValueError, LookupError, OSError):
        raise ValueError(rule) from None


def path(kind: str) -> Callable[[str], Path]:
    def read(text: str) -> Path:
        if not text:
            raise ValueError(f"must be a {kind}")
        return Path(text)

    return read


def one_line(text: str) -> str:
    if not text or not text.isprintable():
        raise ValueError("must be text in one line")
    return text


def host_names(text: str) -> frozenset[str]:
    names = frozenset(name.strip().lower() for name in text.split(","))
    if not all(re.fullmatch(r"[a-z0-9:]([a-z0-9.:-]{0,251}[a-z0-9:])?", name) for name in names):
        raise ValueError("must be host names or addresses with commas between, without ports")
    return names


@_refusing("must be addresses or networks with commas between, such as 127.0.0.1,10.0.0.0/24")
def networks(text: str) -> frozenset[IPv4Network | IPv6Network]:
    return frozenset(ip_network(each.strip()) for each in text.split(","))


def integer(minimum: int, maximum: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and minimum <= int(text) <= maximum):
            raise ValueError(f"must be a whole number from {minimum} to {maximum}")
        return int(text)

    return read


def seconds(minimum: float, maximum: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        is_number = re.fullmatch(r"\d{1,6}(\.\d{1,6})?", text)
        if not (is_number and minimum <= float(text) <= maximum):
            raise ValueError(f"must be a number of seconds from {minimum:g} to {maximum:g}")
        return float(text)

    return read


def choice(**values: T) -> Callable[[str], T]:
    def read(text: str) -> T:
        if text not in values:
            raise ValueError(f"must be {' or '.join(values)}")
        return values[text]

    return read


def mailbox(text: str) -> str:
    message = EmailMessage()
    one_line(text)
    with _refusing("must be an e-mail address, such as Daybook <shop@example.org>"):
        message["From"] = text  # raises IndexError for "shop@"
        sender = message["From"]
        (address,) = sender.addresses
        if sender.defects or sender.groups[0].display_name:
            raise ValueError
        mail_address(address.addr_spec)
    return text


@_refusing("must be a time zone such as Europe/Berlin")
def time_zone(text: str) -> ZoneInfo:
    return ZoneInfo(text)


@_refusing("must be an e-mail address, such as boss@example.org")
def email(text: str) -> str:
    mail_address(text)
    return text


def mails(text: str) -> frozenset[str]:
    names = frozenset(name.strip() for name in text.split(",") if name.strip())
    if unknown := names - frozenset(MAILS):
        raise ValueError(f"must be some of {', '.join(MAILS)}; unknown: {', '.join(unknown)}")
    return names


@_refusing("must be the address of the shop, such as https://shop.example.org")
def url(text: str) -> str:
    _refuse_other_schemes(urlsplit(text), "http", "https")
    if not text.isprintable() or set(text) & set(" ?#@<>\"'"):
        raise ValueError
    return text.rstrip("/")


def issuer(text: str) -> str:
    parts = urlsplit(url(text))
    if parts.scheme != "https" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise ValueError("must be an https address, such as https://login.example.org/shop")
    return text  # unchanged: tokens contain exactly this text


def role_map(text: str) -> dict[str, str]:
    pairs = [each.rpartition("=") for each in text.split(",")]
    roles = {value.strip(): role.strip() for value, _, role in pairs}
    if not all(roles) or set(roles.values()) - {"clerk", "manager", "operator"}:
        raise ValueError(
            "must say which value of the claim means which role (clerk, manager or operator), such "
            "as shop-clerks=clerk,shop-owners=operator"
        )
    return roles


@_refusing("must be the address of a collector, such as http://localhost:4318")
def collector_url(text: str) -> str:
    return url(text)


@_refusing(
    "must be smtp://host:port or smtps://host:port, with user:password@ before the host "
    "where the server wants them (percent-encoded)"
)
def smtp_url(text: str) -> str:
    parts = urlsplit(text)
    _refuse_other_schemes(parts, "smtp", "smtps")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError
    return text


@_refusing(
    "must be file or postgresql://user:password@host:port/database (percent-encoded); a password "
    "may only stand before the @"
)
def store(text: str) -> str:
    parts = urlsplit(text)
    is_url = parts.scheme in ("postgresql", "postgres") and text.isprintable()
    if text != FILES and (not is_url or "password" in parts.query or parts.fragment):
        raise ValueError
    return text


def _refuse_other_schemes(parts: SplitResult, *schemes: str) -> None:
    """Raise ValueError unless a URL has one of these schemes, a host, and no wrong port."""
    if parts.scheme not in schemes or not parts.hostname or parts.port == 0:
        raise ValueError


def time_of_day(text: str) -> time:
    if not re.fullmatch("([01][0-9]|2[0-3]):[0-5][0-9]", text):
        raise ValueError("must be a time of day such as 08:00")
    return time.fromisoformat(text)


@_refusing("must be whsec_ and 24 to 64 random bytes in base64")
def webhook_secret(text: str) -> str:
    if not 24 <= len(b64decode(text.removeprefix("whsec_"), validate=True)) <= 64:
        raise ValueError
    return text
