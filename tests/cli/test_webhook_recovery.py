"""`flask webhook add`, `flask webhook list` and `flask webhook recover`."""

from flask.testing import FlaskClient

from tests.cli.conftest import Give
from tests.over_http import body, place

WANTED = {"url": "https://receiver.invalid/", "types": ["order.*"], "enabled": False}


def test_a_webhook_is_added(flask: Give, client: FlaskClient) -> None:
    """As by POST /webhook; the last line is the secret, which nothing shows again."""
    added = flask("webhook", "add", "https://receiver.invalid/", "order.*", "product.low_stock")
    assert added.exit_code == 0
    *_, secret = added.output.splitlines()
    assert secret.startswith("whsec_")
    [endpoint] = body(client.get("/webhook"))["webhooks"]
    assert (endpoint["types"], endpoint["enabled"]) == (["order.*", "product.low_stock"], True)
    assert endpoint["webhook_id"] in added.output
    assert secret not in flask("webhook", "list", "--json").output


def test_a_wrong_webhook_is_refused(flask: Give, client: FlaskClient) -> None:
    """With what to change, as over HTTP; nothing is added."""
    for url, event_type, message in (
        ("http://receiver.invalid/", "order.*", "DAYBOOK_WEBHOOK_HTTP"),
        ("https://receiver.invalid/", "order.placd", "types/0: must be * or "),
    ):
        refused = flask("webhook", "add", url, event_type)
        assert (refused.exit_code, message in refused.output) == (2, True)
    assert body(client.get("/webhook"))["webhooks"] == []


def test_webhooks_are_listed_without_their_secrets(flask: Give, client: FlaskClient) -> None:
    """As lines, and as JSON with what GET /webhook has."""
    client.get("/order")
    assert flask("webhook", "list").output == "There are no webhooks.\n"
    added = body(client.post("/webhook", json=WANTED))
    secret = added.pop("secret")
    line, count = flask("webhook", "list").output.splitlines()
    assert line == f"{added['webhook_id']}  https://receiver.invalid/  order.*  disabled"
    assert count == "1 webhooks."
    as_json = flask("webhook", "list", "--json").output
    assert added["webhook_id"] in as_json
    assert secret not in as_json


def test_everything_since_a_time_is_sent_again(
    flask: Give, client: FlaskClient, catalogue: dict[str, str]
) -> None:
    """Also what happened while the webhook was disabled; then it has to be enabled again."""
    path = f"/webhook/{body(client.post('/webhook', json=WANTED))['webhook_id']}"
    place(client, tea=1)
    recover = ("webhook", "recover", path.rpartition("/")[2], "--since", "2020-01-01")
    refused = flask(*recover)
    assert (refused.exit_code, "enable it first" in refused.output) == (2, True)
    client.patch(path, json={"enabled": True})
    assert flask(*recover).output == "1 event is on the way again.\n"


def test_a_wrong_time_or_id_is_refused(flask: Give, client: FlaskClient) -> None:
    """With a sentence, and exit code 2."""
    client.get("/order")
    for words in (("none", "--since", "2020-01-01"), ("none", "--since", "yesterday")):
        refused = flask("webhook", "recover", *words)
        assert refused.exit_code == 2
        assert refused.output.startswith("Error: ")
