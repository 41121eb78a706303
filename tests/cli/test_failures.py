"""`flask failures` and `flask discard`, and what an operator mistyped."""

import json
import os
import pwd
from collections.abc import Callable

import click
import pytest
from flask import Flask
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


def test_failures_are_listed_as_json(
    flask: Give, failures: Failures, three_failures: list[Document]
) -> None:
    """The entries of failure.json, whole."""
    assert json.loads(flask("failures", "--json").stdout) == failures()


def test_a_plan_is_listed_as_json(
    flask: Give, failures: Failures, three_failures: list[Document]
) -> None:
    """The plan for each failure is printed, and nothing is replayed."""
    plan = json.loads(flask("replay", "--all", "--dry-run", "--json").stdout)
    assert [(each["id"], each["what"]) for each in plan] == [
        (entry["id"], "run") for entry in failures()
    ]
    refused = flask("replay", "--all", "--json")
    assert refused.exit_code == 2 and "--dry-run" in refused.stderr


@pytest.mark.parametrize(
    "words", [("failures",), ("replay", "--all", "--dry-run"), ("key", "list"), ("user", "list")]
)
def test_an_empty_list_is_an_empty_array(flask: Give, words: list[str]) -> None:
    """A script needs no case of its own for nothing."""
    assert json.loads(flask(*words, "--json").stdout) == []


def test_every_command_that_lists_does_so_as_json(app: Flask) -> None:
    """A command that lists or shows something has --json; so have a replay's plan and a check."""
    commands = dict(app.cli.commands)
    for name, group in app.cli.commands.items():
        if isinstance(group, click.Group):
            commands |= {f"{name} {each}": command for each, command in group.commands.items()}
    listing = {
        name
        for name, command in commands.items()
        if (command.help or "").startswith(("List", "Show")) and app.cli is not command
    }
    with_json = {
        name
        for name, command in commands.items()
        if any("--json" in option.opts for option in command.params)
    }
    assert (
        listing - {"routes"}
        == with_json - {"replay", "check"}
        == {*("failures", "config", "key list", "user list", "webhook list")}
    )


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
