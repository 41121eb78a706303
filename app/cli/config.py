"""`flask config`: the settings in force and where each comes from."""

import os
from collections.abc import Mapping
from dataclasses import fields
from typing import Any
from urllib.parse import urlsplit

import click

from app.cli.command import command, json_option, print_json
from app.config import PREFIX, SECRET_SETTINGS, Config
from app.server.runtime import Runtime

MASK = "***"

URL_SETTINGS = {"smtp_url", "store"}
"""Secret settings of which only the password is masked."""

_BOOLEAN_VALUES = {"unlisted_products": ("refuse", "allow")}
"""The words for false and true of a setting, where they are not off and on."""


@command("config")
@json_option
def config(runtime: Runtime, *, as_json: bool) -> None:
    """Show every setting: its value, and whether the environment or the default gives it.

    Secrets are masked, passwords in addresses too.
    """
    rows = [_row(runtime.config, field.name) for field in fields(Config)]
    if as_json:
        print_json([dict(zip(("variable", "source", "value"), row, strict=True)) for row in rows])
        return
    width = max(len(variable) for variable, _, _ in rows)
    for variable, source, value in rows:
        click.echo(f"{variable:{width}}  {source:11}  {value}")


def format_setting(name: str, value: Any) -> str:
    """A setting as it is written in an environment variable, with secrets masked."""
    text = _format(name, value)
    if name in SECRET_SETTINGS - URL_SETTINGS and text:
        return MASK
    return _mask_password(text)


def _row(config: Config, name: str) -> tuple[str, str, str]:
    variable = PREFIX + name.upper()
    source = "environment" if variable in os.environ else "default"
    return variable, source, format_setting(name, getattr(config, name)) or "(not set)"


def _format(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return _BOOLEAN_VALUES.get(name, ("off", "on"))[value]
    if isinstance(value, frozenset):
        return ",".join(sorted(map(str, value)))
    if isinstance(value, Mapping):
        return ",".join(f"{key}={each}" for key, each in sorted(value.items()))
    if isinstance(value, float):
        return f"{value:g}"
    if name == "low_stock_check":
        return f"{value:%H:%M}"
    return getattr(value, "code", None) or str(value)


def _mask_password(text: str) -> str:
    if "://" not in text or (password := urlsplit(text).password) is None:
        return text
    scheme, rest = text.split("://", 1)
    user, _, place = rest.rpartition("@")
    return f"{scheme}://{user.removesuffix(password)}{MASK}@{place}"
