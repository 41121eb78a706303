"""The currency of the books is on record; a shop never gets a second one."""

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
    runtime: Runtime = app.extensions["daybook"]
    return runtime


def test_a_shop_refuses_another_currency(
    runtime: Runtime,
    config: Config,
    catalogue: dict[str, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Also one that has sold nothing yet: its prices would be worth something else."""
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


def test_files_from_elsewhere_are_in_the_currency_of_the_shop(
    app: Flask, config: Config, runtime: Runtime, catalogue: dict[str, str], tmp_path: Path
) -> None:
    """The refusal names the file and the line."""
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


def test_a_price_brought_by_hand_has_the_digits_of_the_currency(
    config: Config, runtime: Runtime, catalogue: dict[str, str]
) -> None:
    """Else the orders for it would be unsound."""
    runtime.close()
    file = config.data / "products.json"
    text = file.read_text().replace('"price":"4.50"', '"price":"4.505"')
    brought = config.data.with_name("brought")
    brought.mkdir()
    (brought / "products.json").write_text(text)
    with pytest.raises(Invalid, match=r"products.json, line 4: sku tea: .*decimal places"):
        runtime_of(create_app(replace(config, data=brought))).open()
