"""`flask config`: what is in force, and where it comes from."""

import json
from pathlib import Path

import pytest

from app.cli.config import URL_SETTINGS, format_setting
from app.config import SECRET_SETTINGS, from_environment
from tests.cli import shell


def lines_of(tmp_path: Path, **settings: str) -> dict[str, tuple[str, str]]:
    code, out, err = shell.run(tmp_path / "data", "config", **settings)
    assert (code, err) == (0, "")
    rows = [line.split(maxsplit=2) for line in out.splitlines()]
    return {name: (value, source) for name, source, value in rows}


def test_values_are_shown_with_their_source(tmp_path: Path) -> None:
    """`flask config` opens no data folder and creates none."""
    lines = lines_of(tmp_path, PORT="8123", UNLISTED_PRODUCTS="allow", RETRY_WAIT="0.50")
    assert lines["DAYBOOK_PORT"] == ("8123", "environment")
    assert lines["DAYBOOK_UNLISTED_PRODUCTS"] == ("allow", "environment")
    assert lines["DAYBOOK_RETRY_WAIT"] == ("0.5", "environment")
    assert lines["DAYBOOK_WORKERS"] == ("2", "default")
    assert lines["DAYBOOK_LOW_STOCK_CHECK"] == ("08:00", "default")
    assert lines["DAYBOOK_CURRENCY"] == ("EUR", "default")
    assert lines["DAYBOOK_MANAGER_EMAIL"] == ("(not set)", "default")
    assert not (tmp_path / "data").exists()


def test_the_settings_are_listed_as_json(tmp_path: Path) -> None:
    """The same rows; an empty value is told as in the table."""
    code, out, _ = shell.run(tmp_path / "data", "config", "--json", PORT="8123")
    rows = {row["variable"]: (row["value"], row["source"]) for row in json.loads(out)}
    assert code == 0
    assert rows == lines_of(tmp_path, PORT="8123")


def test_secrets_are_masked(tmp_path: Path) -> None:
    """A password in an address, a secret in whole."""
    secret = "whsec_" + "c2VjcmV0" * 4
    lines = lines_of(
        tmp_path,
        SMTP_URL="smtp://ann:p%40ss@mail.example.org:587",
        CARRIER_SECRET=secret,
        STORE="postgresql://shop:p%40ss@db1,db2:5433/shop?target_session_attrs=read-write",
    )
    assert lines["DAYBOOK_SMTP_URL"][0] == "smtp://ann:***@mail.example.org:587"
    assert lines["DAYBOOK_CARRIER_SECRET"][0] == "***"
    assert lines["DAYBOOK_STORE"][0] == (
        "postgresql://shop:***@db1,db2:5433/shop?target_session_attrs=read-write"
    )


@pytest.mark.parametrize("name", sorted(SECRET_SETTINGS - URL_SETTINGS))
def test_a_secret_that_looks_like_an_address_is_masked(name: str) -> None:
    """Only the addresses of the mail server and the database are shown in part."""
    assert format_setting(name, "s3cr3t://of-a-provider") == "***"


@pytest.mark.parametrize("text", ["on", "off"])
def test_a_printed_setting_can_be_set(text: str) -> None:
    config = from_environment({"DAYBOOK_AUTO_SHIP": text})
    assert format_setting("auto_ship", config.auto_ship) == text
