"""How the text of each variable is read; a reader raises ValueError that says what it must be."""

import re
from base64 import b64decode
from collections.abc import Callable
from datetime import time
from email.message import EmailMessage
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from marshmallow import ValidationError
from marshmallow.validate import Email

from app.kernel.money import Currency
from app.kernel.payment_methods import METHODS

MAILS = (
    *("placed", "changed", "cancelled", "deleted", "confirmed", "backordered", "available"),
    *("declined", "refunded", "receipt", "shipped", "delivered", "low_stock", "low_stock_digest"),
)
"""Everything that a mail can tell. By default nobody is told that an order is confirmed.

That it was placed has just been told, and the receipt follows in the same second.
"""


def _folder(text: str) -> Path:
    if not text:
        raise ValueError("must be a folder")
    return Path(text)


def _file(text: str) -> Path:
    if not text:
        raise ValueError("must be a file")
    return Path(text)


def _text(text: str) -> str:
    if not text or not text.isprintable():
        raise ValueError("must be text in one line")
    return text


def _names(text: str) -> frozenset[str]:
    names = frozenset(name.strip().lower() for name in text.split(","))
    if not all(re.fullmatch(r"[a-z0-9:]([a-z0-9.:-]{0,251}[a-z0-9:])?", name) for name in names):
        raise ValueError("must be host names or addresses with commas between, without ports")
    return names


def _networks(text: str) -> frozenset[IPv4Network | IPv6Network]:
    try:
        return frozenset(ip_network(each.strip()) for each in text.split(","))
    except ValueError:
        told = "must be addresses or networks with commas between, such as 127.0.0.1,10.0.0.0/24"
        raise ValueError(told) from None


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(text)

    return read


def _seconds(least: float, most: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        if not re.fullmatch(r"\d{1,6}(\.\d{1,6})?", text) or not least <= float(text) <= most:
            raise ValueError(f"must be a number of seconds from {least:g} to {most:g}")
        return float(text)

    return read


def _word(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"must be {' or '.join(words)}")
        return text

    return read


def _one_of(**meanings: bool) -> Callable[[str], bool]:
    def read(text: str) -> bool:
        if text not in meanings:
            raise ValueError(f"must be {' or '.join(meanings)}")
        return meanings[text]

    return read


def _mailbox(text: str) -> str:
    message = EmailMessage()
    _text(text)
    try:
        message["From"] = text
        sender = message["From"]
        (address,) = sender.addresses
        if sender.defects or sender.groups[0].display_name:
            raise ValueError
        Email()(address.addr_spec)
    except (ValueError, IndexError, ValidationError):  # IndexError: the library's, for "shop@"
        raise ValueError("must be an e-mail address, such as Daybook <shop@example.org>") from None
    return text


def _payment_method(text: str) -> str:
    if text not in METHODS:
        raise ValueError(f"must be one of {', '.join(METHODS)}")
    return text


def _zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("must be a time zone such as Europe/Berlin") from None


def _address(text: str) -> str:
    try:
        Email()(text)
    except ValidationError:
        raise ValueError("must be an e-mail address, such as boss@example.org") from None
    return text


def _mails(text: str) -> frozenset[str]:
    names = frozenset(name.strip() for name in text.split(",") if name.strip())
    if unknown := names - frozenset(MAILS):
        raise ValueError(f"must be some of {', '.join(MAILS)}; unknown: {', '.join(unknown)}")
    return names


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        is_sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_sound = False
    if not is_sound or not text.isprintable() or set(text) & set(" ?#@<>\"'"):
        raise ValueError("must be the address of the shop, such as https://shop.example.org")
    return text.rstrip("/")


def _issuer(text: str) -> str:
    parts = urlsplit(_url(text))
    if parts.scheme != "https" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise ValueError("must be an https address, such as https://login.example.org/shop")
    return text  # as it is: tokens repeat it letter for letter


def _role_map(text: str) -> dict[str, str]:
    pairs = [each.rpartition("=") for each in text.split(",")]
    roles = {value.strip(): role.strip() for value, _, role in pairs}
    if not all(roles) or set(roles.values()) - {"clerk", "manager", "operator"}:
        raise ValueError(
            "must say which value of the claim means which role (clerk, manager or operator), such "
            "as shop-clerks=clerk,shop-owners=operator"
        )
    return roles


def _collector(text: str) -> str:
    try:
        return _url(text)
    except ValueError:
        raise ValueError(
            "must be the address of a collector, such as http://localhost:4318"
        ) from None


def _smtp_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        is_sound = parts.port != 0 and parts.scheme in ("smtp", "smtps") and bool(parts.hostname)
    except ValueError:
        is_sound = False
    if not is_sound or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(
            "must be smtp://host:port or smtps://host:port, with user:password@ before the host "
            "where the server wants them (percent-encoded)"
        )
    return text


def _time_of_day(text: str) -> time:
    if not re.fullmatch("([01][0-9]|2[0-3]):[0-5][0-9]", text):
        raise ValueError("must be a time of day such as 08:00")
    return time.fromisoformat(text)


def _webhook_secret(text: str) -> str:
    try:
        secret = b64decode(text.removeprefix("whsec_"), validate=True)
    except ValueError:
        secret = b""
    if not 24 <= len(secret) <= 64:
        raise ValueError("must be whsec_ and 24 to 64 random bytes in base64")
    return text


READERS: dict[str, Callable[[str], Any]] = {
    "data": _folder,
    "host": _text,
    "port": _whole(1, 65535),
    "workers": _whole(1, 64),
    "threads": _whole(1, 256),
    "currency": Currency,
    "timezone": _zone,
    "unlisted_products": _one_of(allow=True, refuse=False),
    "faults": _one_of(on=True, off=False),
    "retry_attempts": _whole(1, 100),
    "retry_wait": _seconds(0.001, 600),
    "lock_timeout": _seconds(0.1, 600),
    "ready_delay_s": _seconds(1, 86400),
    "log": _word("json", "text"),
    "log_level": _word("debug", "info", "warning"),
    "otlp_endpoint": _collector,
    "trusted_hosts": _names,
    "caller_rate": _whole(0, 1_000_000),
    "address_rate": _whole(0, 1_000_000),
    "trusted_proxies": _networks,
    "tls_cert": _file,
    "tls_key": _file,
    "mail_from": _mailbox,
    "mails": _mails,
    "manager_email": _address,
    "url": _url,
    "smtp_url": _smtp_url,
    "ship_when": _word("paid", "reserved"),
    "auto_ship": _one_of(on=True, off=False),
    "carrier_secret": _webhook_secret,
    "payment_method": _payment_method,
    "low_stock_check": _time_of_day,
    "shop_name": _text,
    "shop_address": _text,
    "oidc_issuer": _issuer,
    "oidc_client_id": _text,
    "oidc_client_secret": _text,
    "oidc_role_claim": _text,
    "oidc_roles": _role_map,
}
