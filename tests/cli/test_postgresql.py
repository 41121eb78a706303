"""Commands on PostgreSQL: those of documents work, those of files are refused."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from click.testing import Result
from flask.testing import FlaskClient

from app.config import Config
from tests.events.running import wait_for
from tests.over_http import place

Give = Callable[..., Result]

REFUSAL = (
    "Error: This works on the files of a data folder, and this shop is on PostgreSQL "
    "(DAYBOOK_STORE).\n"
)


@pytest.fixture
def config(config: Config, postgresql_url: str) -> Config:
    """A shop on PostgreSQL."""
    return replace(config, store=postgresql_url)


@pytest.mark.usefixtures("catalogue")
def test_check_compares_the_documents(
    client: FlaskClient, flask: Give, settled: Callable[[], None]
) -> None:
    """There are no files to verify, neither without options nor with --repair or --json."""
    place(client, tea=1)
    settled()
    for words in (["check"], ["check", "--repair"]):
        result = flask(*words)
        assert result.output == ("1 orders and 4 products were compared.\nEverything agrees.\n")
        assert result.exit_code == 0
    assert flask("check", "--json").output == "[]\n"


def test_edits_of_files_are_refused(flask: Give) -> None:
    """There are no files that a person can edit."""
    result = flask("check", "--accept")
    assert (result.exit_code, result.output) == (2, REFUSAL)


def test_pages_of_files_are_refused(client: FlaskClient) -> None:
    """There is no journal, and no failure.json."""
    for name in ("journal", "failure.json"):
        answer = client.get(f"/flow/{name}")
        assert answer.status_code == 404
        assert "this shop is on PostgreSQL" in answer.text


@pytest.mark.usefixtures("catalogue")
def test_metrics_and_readiness_need_no_files(
    client: FlaskClient, settled: Callable[[], None]
) -> None:
    """Both read the store, and the disk of the data folder, which has pictures and mails."""
    place(client, tea=1)
    settled()  # a process leads, as it has delivered
    wait_for(lambda: client.get("/readyz").status_code == 200)  # a check waits for a second only
    metrics = client.get("/metrics").text
    assert "daybook_leader 1.0" in metrics
    assert "daybook_connection_wait_seconds_count 0.0" not in metrics
