"""`flask export-person`: everything about one person, and nothing of others."""

import json

from flask.testing import FlaskClient

from app.config import Config
from tests.cli.conftest import Give
from tests.conftest import settle
from tests.over_http import request_for
from tests.privacy.conftest import EMAIL, NAME, OLD_EMAIL


def test_all_data_of_a_person_is_printed(flask: Give, client: FlaskClient) -> None:
    """Each order with what is stored about it, deleted ones too; others are left out."""
    other = request_for("Bo", tea=1) | {"customer_email": "bo@other.example"}
    assert client.post("/order", json=other).status_code == 201
    settle(client.application.extensions["daybook"])
    result = flask("export-person", EMAIL.upper())
    assert result.exit_code == 0
    person = json.loads(result.stdout)
    orders = {each["number"]: each for each in person["orders"]}
    assert list(orders) == [1001, 1002, 1003, 1004, 1005]
    first, deleted = orders[1001], orders[1003]
    assert first["order"]["customer_name"] == first["invoice"]["customer_name"] == NAME
    assert first["shipment"]["carrier"] == "DHL"
    assert len(orders[1004]["order"]["history"]) > 20
    assert deleted["order"] is None
    assert deleted["events"][0]["data"]["order"]["customer_email"] == EMAIL
    mails = first["mails"]
    assert (mails[0]["recipient"], mails[-1]["recipient"]) == (OLD_EMAIL, EMAIL)
    assert all(NAME in mail["text"] for mail in mails)
    assert "bo@other.example" not in result.stdout


def test_nothing_is_changed_and_an_unknown_address_is_refused(flask: Give, config: Config) -> None:
    """The export of an address without orders says so."""
    flask("export-person", EMAIL)
    before = (config.data / "orders.json").read_bytes()
    result = flask("export-person", "nobody@quux.example")
    assert result.exit_code == 2
    assert result.stderr == "Error: No order has the e-mail address nobody@quux.example.\n"
    assert (config.data / "orders.json").read_bytes() == before
