"""The settings, read once from the DAYBOOK_* environment variables."""

# ruff: noqa: RUF009  (the values of settings are immutable)

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import time
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any, TypeVar, cast
from zoneinfo import ZoneInfo

from app.config import readers
from app.config.data_folder import find_data_folder
from app.kernel.errors import Invalid, Problem
from app.kernel.money import Currency
from app.kernel.payment_methods import APPROVE, METHODS

PREFIX = "DAYBOOK_"
_OIDC_PREFIX = PREFIX + "OIDC_"

T = TypeVar("T")


def _setting(default: T, reader: Callable[[str], T], *, is_secret: bool = False) -> T:
    """Declare a setting of `Config`; `reader` parses its text, and no message shows a secret."""
    declared: Any = field(default=default, repr=not is_secret, metadata={"reader": reader})
    return cast(T, declared)


@dataclass(frozen=True)
class Config:
    """All settings with their defaults; each is named as its variable without DAYBOOK_."""

    data: Path = field(
        default_factory=find_data_folder, metadata={"reader": readers.path("folder")}
    )
    store: str = _setting(readers.FILES, readers.store, is_secret=True)
    host: str = _setting("127.0.0.1", readers.one_line)
    port: int = _setting(8000, readers.integer(1, 65535))
    workers: int = _setting(2, readers.integer(1, 64))
    threads: int = _setting(16, readers.integer(1, 256))
    currency: Currency = _setting(Currency("EUR"), Currency)
    timezone: ZoneInfo = _setting(ZoneInfo("UTC"), readers.time_zone)
    unlisted_products: bool = _setting(False, readers.choice(allow=True, refuse=False))
    faults: bool = _setting(False, readers.choice(on=True, off=False))
    retry_attempts: int = _setting(5, readers.integer(1, 100))
    retry_wait: float = _setting(0.2, readers.seconds(0.001, 600))
    lock_timeout: float = _setting(5.0, readers.seconds(0.1, 600))
    ready_delay_s: float = _setting(30.0, readers.seconds(1, 86400))
    log: str = _setting("", readers.choice(json="json", text="text"))
    log_level: str = _setting("info", readers.choice(debug="debug", info="info", warning="warning"))
    otlp_endpoint: str | None = _setting(None, readers.collector_url)
    trusted_hosts: frozenset[str] = _setting(frozenset(), readers.host_names)
    caller_rate: int = _setting(6000, readers.integer(0, 1_000_000))
    address_rate: int = _setting(600, readers.integer(0, 1_000_000))
    public_orders: int = _setting(50, readers.integer(1, 1_000_000))
    public_pieces: int = _setting(200, readers.integer(1, 1_000_000))
    trusted_proxies: frozenset[IPv4Network | IPv6Network] = _setting(frozenset(), readers.networks)
    tls_cert: Path | None = _setting(None, readers.path("file"))
    tls_key: Path | None = _setting(None, readers.path("file"))
    low_stock_check: time = _setting(time(8), readers.time_of_day)
    keep_days: int = _setting(0, readers.integer(0, 36500))
    mail_from: str = _setting("Daybook <shop@localhost>", readers.mailbox)
    mails: frozenset[str] = _setting(frozenset(readers.MAILS) - {"confirmed"}, readers.mails)
    manager_email: str | None = _setting(None, readers.email)
    url: str | None = _setting(None, readers.url)
    smtp_url: str | None = _setting(None, readers.smtp_url, is_secret=True)
    ship_when: str = _setting("paid", readers.choice(paid="paid", reserved="reserved"))
    auto_ship: bool = _setting(False, readers.choice(on=True, off=False))
    carrier_secret: str | None = _setting(None, readers.webhook_secret, is_secret=True)
    webhook_http: bool = _setting(False, readers.choice(on=True, off=False))
    webhook_private: bool = _setting(False, readers.choice(on=True, off=False))
    payment_method: str = _setting(
        APPROVE, readers.choice(**{method: method for method in METHODS})
    )
    shop_name: str = _setting("Daybook", readers.one_line)
    shop_address: str = _setting("", readers.one_line)
    shop_tax_number: str = _setting("", readers.one_line)
    oidc_issuer: str | None = _setting(None, readers.issuer)
    oidc_client_id: str | None = _setting(None, readers.one_line)
    oidc_client_secret: str | None = _setting(None, readers.one_line, is_secret=True)
    oidc_role_claim: str = _setting("roles", readers.one_line)
    oidc_roles: Mapping[str, str] = field(
        default_factory=dict, metadata={"reader": readers.role_map}
    )


SECRET_SETTINGS = frozenset(each.name for each in fields(Config) if not each.repr)
"""Settings whose values no message may show."""


def from_environment(environment: Mapping[str, str]) -> Config:
    """Return the settings in `environment`. Raises Invalid, naming every variable that is wrong.

    It repeats no secret, and no text that could be an address with a password.
    Without DAYBOOK_DATA it raises what `find_data_folder` raises.
    """
    settings = {PREFIX + each.name.upper(): each for each in fields(Config)}
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for variable in sorted(each for each in environment if each.startswith(PREFIX)):
        setting, text = settings.get(variable), environment[variable]
        if setting is None:
            close = difflib.get_close_matches(variable, settings, 1)
            hint = f"; did you mean {close[0]}?" if close else ""
            problems.append(Problem(variable, f"is not a setting{hint}"))
            continue
        try:
            values[setting.name] = setting.metadata["reader"](text.strip())
        except ValueError as error:
            may_be_secret = setting.name in SECRET_SETTINGS or {":", "@"} <= set(text)
            value = "" if may_be_secret else f", not {text!r}"
            problems.append(Problem(variable, f"{error}{value}"))
    if problems := problems + _missing_oidc_settings(environment):
        raise Invalid(problems)
    return Config(**values)


def _missing_oidc_settings(environment: Mapping[str, str]) -> list[Problem]:
    """Return a problem for each required OIDC setting that is missing while another one is set."""
    if not any(variable.startswith(_OIDC_PREFIX) for variable in environment):
        return []
    required = (_OIDC_PREFIX + name for name in ("ISSUER", "CLIENT_ID", "CLIENT_SECRET", "ROLES"))
    message = f"is needed too, with the other {_OIDC_PREFIX} settings"
    return [Problem(variable, message) for variable in required if variable not in environment]
