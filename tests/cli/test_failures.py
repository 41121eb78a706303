"""`flask failures` and `flask discard`, and what an operator mistyped."""

import os
import pwd
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from app.billing.documents import INVOICES
from app.server.runtime import Runtime
from app.store import Document
from tests.cli.conftest import Failures, Give
from tests.over_http import read

OPERATOR = pwd.getpwuid(os.getuid()).pw_name


def invoices(runtime: Runtime) -> list[Document]:
    with runtime.store.read() as view:
        found = [view.get(INVOICES.name, key) for key in view.keys(INVOICES.name)]
    return [invoice for invoice in found if invoice]


@pytest.fixture(autouse=True)
def shop(runtime: Runtime) -> None:
    """There is a shop, in which nothing has happened yet."""
    runtime.open()


class TestRefusals:
    """Mistyped options are refused."""

    def test_a_replay_needs_a_selection(self, flask: Give) -> None:
        """An empty command line is no way to say all."""
        result = flask("replay")
        assert result.exit_code == 2
        assert "Say which failures" in result.stderr

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            (["--handler", "shiping"], "'shiping' is not one of 'billing', 'inventory', "),
            (["--type", "order.lost"], "'order.lost' is not one of 'order.placed', "),
            (["--since", "yesterday"], "--since must be a date or time such as 2010-12-01"),
            (["--all", "--rate", "0"], "0.0 is not in the range x>0"),
        ],
    )
    def test_a_wrong_filter_is_refused(self, flask: Give, words: list[str], sentence: str) -> None:
        result = flask("replay", *words)
        assert result.exit_code == 2
        assert sentence in result.stderr

    def test_an_unknown_failure_cannot_be_discarded(self, flask: Give) -> None:
        result = flask("discard", "no-such-id", "--reason", "gone")
        assert (result.exit_code, result.stderr) == (2, "Error: There is no failure no-such-id.\n")

    def test_a_discard_needs_its_reason(self, flask: Give) -> None:
        assert flask("discard", "no-such-id").exit_code == 2
        assert "reason" in flask("discard", "no-such-id", "--reason", " ").stderr


def test_failures_are_listed(
    flask: Give, failures: Failures, three_failures: list[Document]
) -> None:
    """Oldest first, with what is needed to choose among them."""
    lines = flask("failures").stdout.splitlines()
    assert lines[-1] == "3 failures."
    assert [line.split()[0] for line in lines[:-1]] == [entry["id"] for entry in failures()]
    assert "order.placed  order 1001  failed, replayed 0 times: Invalid: " in lines[0]


def test_a_shop_without_failures_says_so(flask: Give) -> None:
    assert flask("failures").stdout == "There are no failures.\n"


def test_a_failure_can_be_discarded(
    flask: Give,
    client: FlaskClient,
    failures: Failures,
    settled: Callable[[], None],
    three_failures: list[Document],
) -> None:
    """The reason and the name stand in the timeline."""
    entry, *others = failures()
    result = flask("discard", entry["id"], "--reason", "paid in cash")
    assert (result.exit_code, result.stdout) == (0, f"Discarded {entry['id']}.\n")
    assert failures() == others
    (event, *_) = read(client, "/order/1001/events")["events"]
    note = event["deliveries"]["billing"]["log"][-1]
    assert (note["action"], note["by"], note["reason"]) == ("discarded", OPERATOR, "paid in cash")
