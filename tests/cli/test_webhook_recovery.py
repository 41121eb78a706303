"""`flask webhook list` and `flask webhook recover`."""

from flask.testing import FlaskClient

from tests.cli.conftest import Give
from tests.over_http import body, place

WANTED = {"url": "https://receiver.invalid/", "types": ["order.*"], "enabled": False}


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
