"""The settings, read once from the DAYBOOK_* environment variables."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import time
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from app.config.readers import MAILS, READERS
from app.kernel.errors import Invalid, Problem
from app.kernel.money import Currency
from app.kernel.payment_methods import APPROVE

PREFIX = "DAYBOOK_"
_OIDC_PREFIX = PREFIX + "OIDC_"

SECRET_SETTINGS = frozenset({"carrier_secret", "smtp_url", "oidc_client_secret"})
"""Settings whose values no message may show."""


@dataclass(frozen=True)
class Config:
    """All settings with their defaults; each is named as its variable without DAYBOOK_."""

    data: Path = Path("data")
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 2
    threads: int = 16
    currency: Currency = Currency("EUR")  # noqa: RUF009  (immutable)
    timezone: ZoneInfo = ZoneInfo("UTC")  # noqa: RUF009  (immutable)
    unlisted_products: bool = False
    faults: bool = False
    retry_attempts: int = 5
    retry_wait: float = 0.2
    lock_timeout: float = 5.0
    ready_delay_s: float = 30.0
    log: str = ""
    log_level: str = "info"
    otlp_endpoint: str | None = None
    trusted_hosts: frozenset[str] = frozenset()
    caller_rate: int = 6000
    address_rate: int = 600
    trusted_proxies: frozenset[IPv4Network | IPv6Network] = frozenset()
    tls_cert: Path | None = None
    tls_key: Path | None = None
    low_stock_check: time = time(8)
    mail_from: str = "Daybook <shop@localhost>"
    mails: frozenset[str] = frozenset(MAILS) - {"confirmed"}
    manager_email: str | None = None
    url: str | None = None
    smtp_url: str | None = field(default=None, repr=False)
    ship_when: str = "paid"
    auto_ship: bool = False
    carrier_secret: str | None = field(default=None, repr=False)
    payment_method: str = APPROVE
    shop_name: str = "Daybook"
    shop_address: str = ""
    oidc_issuer: str | None = None
    oidc_client_id: str | None = None
    oidc_client_secret: str | None = field(default=None, repr=False)
    oidc_role_claim: str = "roles"
    oidc_roles: Mapping[str, str] = field(default_factory=dict)


def from_environment(environment: Mapping[str, str]) -> Config:
    """Return the settings in `environment`. Raises Invalid, naming every variable that is wrong."""
    names = {PREFIX + field.name.upper(): field.name for field in fields(Config)}
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for variable in sorted(each for each in environment if each.startswith(PREFIX)):
        name, text = names.get(variable), environment[variable]
        if name is None:
            close = difflib.get_close_matches(variable, names, 1)
            hint = f"; did you mean {close[0]}?" if close else ""
            problems.append(Problem(variable, f"is not a setting{hint}"))
            continue
        try:
            values[name] = READERS[name](text.strip())
        except ValueError as error:
            value = "" if name in SECRET_SETTINGS else f", not {text!r}"
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
