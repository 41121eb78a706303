"""The currency of a shop is recorded once and never changes."""

from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from app import create_app
from app.config import Config
from app.kernel.errors import Invalid, Unavailable
from app.kernel.money import Currency
from app.server.runtime import Runtime
from tests.over_http import place

JPY = Currency("JPY")


def runtime_of(app: Flask) -> Runtime:
    """The app's runtime."""
    runtime: Runtime = app.extensions["daybook"]
    return runtime


def test_a_shop_refuses_another_currency(
    runtime: Runtime,
    config: Config,
    catalogue: dict[str, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A shop refuses to start with another DAYBOOK_CURRENCY, even before its first order."""
    runtime.close()
    other = create_app(replace(config, currency=JPY))
    with pytest.raises(Unavailable) as caught:
        runtime_of(other).open()
    assert str(caught.value) == (
        "The currency of this shop is EUR, but DAYBOOK_CURRENCY is JPY. Set DAYBOOK_CURRENCY=EUR, "
        "or DAYBOOK_DATA to another folder for a shop in JPY."
    )
    told = other.test_client().get("/order")
    assert (told.status_code, "DAYBOOK_CURRENCY=EUR" in told.get_json()["detail"]) == (503, True)
    runtime_of(other).close()
    assert caplog.messages == []
    runtime.open()


def test_imported_files_must_have_the_currency_of_the_shop(
    app: Flask, config: Config, runtime: Runtime, catalogue: dict[str, str], tmp_path: Path
) -> None:
    """Files in another currency are refused with the file's name and the line."""
    place(app.test_client(), tea=1)
    runtime.close()
    brought = tmp_path / "brought"
    brought.mkdir()
    (brought / "orders.json").write_bytes((config.data / "orders.json").read_bytes())
    for code in ("USD", "JPY"):
        other = create_app(replace(config, data=brought, currency=Currency(code)))
        with pytest.raises(Invalid, match=rf"orders.json, line 2: .* is not {code}, the currency"):
            runtime_of(other).open()
    runtime_of(create_app(replace(config, data=brought))).open().close()


def test_an_edited_price_must_have_the_currencys_decimal_places(
    config: Config, runtime: Runtime, catalogue: dict[str, str]
) -> None:
    """A price with too many decimal places is refused with the file's name and the line."""
    runtime.close()
    file = config.data / "products.json"
    text = file.read_text().replace('"price":"4.50"', '"price":"4.505"')
    brought = config.data.with_name("brought")
    brought.mkdir()
    (brought / "products.json").write_text(text)
    with pytest.raises(Invalid, match=r"products.json, line 4: sku tea: .*decimal places"):
        runtime_of(create_app(replace(config, data=brought))).open()
