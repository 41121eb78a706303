"""`flask replay`: runs what failed, and only that, and says what came of it."""

import os
import pwd
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from app.billing.documents import INVOICES
from app.events import failures as failing
from app.events import outbox
from app.kernel import clock
from app.server.runtime import Runtime
from app.store import Document
from tests.cli.conftest import Failures, Give
from tests.over_http import place, read
from tests.transactions import transaction

OPERATOR = pwd.getpwuid(os.getuid()).pw_name


def invoices(runtime: Runtime) -> list[Document]:
    with runtime.store.read() as view:
        found = [view.get(INVOICES.name, key) for key in view.keys(INVOICES.name)]
    return [invoice for invoice in found if invoice]


class TestReplay:
    """`flask replay`, where billing refused three orders and is well again."""

    pytestmark = pytest.mark.usefixtures("three_failures")

    def test_it_runs_what_failed(self, flask: Give, runtime: Runtime, failures: Failures) -> None:
        """Each order then has its one invoice, and failure.json is empty."""
        result = flask("replay", "--all")
        assert result.exit_code == 0
        assert result.stdout == "3 succeeded, 0 failed again, 0 skipped, 0 waiting.\n"
        assert failures() == []
        assert len(invoices(runtime)) == 3

    def test_it_leads_when_no_server_runs(
        self, flask: Give, runtime: Runtime, failures: Failures
    ) -> None:
        """A command alone is enough."""
        runtime.close()
        assert flask("replay", "--all").stdout.startswith("3 succeeded")
        assert failures() == []

    def test_a_second_one_finds_nothing(self, flask: Give, runtime: Runtime) -> None:
        """Nothing is done twice."""
        flask("replay", "--all")
        result = flask("replay", "--all")
        assert (result.exit_code, result.stdout) == (0, "Nothing to replay.\n")
        assert len(invoices(runtime)) == 3

    def test_a_second_failure_is_reported(
        self, flask: Give, client: FlaskClient, failures: Failures
    ) -> None:
        """The exit code is 1; the entries stay, with the number of replays."""
        client.put("/fault/billing", json={"mode": "reject"})
        result = flask("replay", "--all")
        assert result.exit_code == 1
        assert result.stdout == "0 succeeded, 3 failed again, 0 skipped, 0 waiting.\n"
        assert [(each["state"], each["replays"]) for each in failures()] == [("failed", 1)] * 3

    def test_a_dry_run_changes_nothing(
        self, flask: Give, failures: Failures, three_failures: list[Document]
    ) -> None:
        """It says what would be done with each, and why."""
        before = failures()
        result = flask("replay", "--all", "--dry-run")
        first, *_, summary = result.stdout.splitlines()
        assert first.startswith(f"would run: {before[0]['id']}  order.placed  order ")
        assert "a fault switch is on for billing" in first
        assert summary == "3 would run, 0 be skipped, 0 wait."
        assert failures() == before

    @pytest.mark.parametrize("name", ["number", "order_id"])
    def test_one_order_can_be_selected(
        self, flask: Give, failures: Failures, three_failures: list[Document], name: str
    ) -> None:
        """An order is selected by its number or by its id."""
        assert flask("replay", "--order", three_failures[1][name]).stdout.startswith("1 succeeded")
        left = {entry["event"]["subject"] for entry in failures()}
        assert left == {three_failures[0]["order_id"], three_failures[2]["order_id"]}

    def test_a_deleted_order_can_be_selected_by_number(
        self,
        flask: Give,
        client: FlaskClient,
        settled: Callable[[], None],
        three_failures: list[Document],
    ) -> None:
        """Its failures know the number."""
        client.delete(f"/order/{three_failures[0]['number']}")
        settled()
        assert flask("replay", "--order", "1001").stdout.startswith("1 succeeded")

    def test_filters_narrow_the_list(self, flask: Give, failures: Failures) -> None:
        """Handler, type, text of the error, time and id; all of those that are given must hold."""
        one = failures()[0]
        for words in (
            ["--handler", "inventory"],
            ["--type", "order.deleted"],
            ["--error", "no such text"],
            ["--since", clock.ago(-60)],
            ["--id", "no-such-id"],
            ["--order", "4711"],
            ["--handler", "billing", "--type", "order.updated"],
        ):
            assert flask("replay", *words).stdout == "Nothing to replay.\n"
        assert flask("replay", "--id", one["id"]).stdout.startswith("1 succeeded")
        assert flask("replay", "--since", "2020-01-01", "--error", "FAULT").stdout.startswith("2 s")

    def test_the_user_who_replayed_is_recorded(
        self, flask: Give, client: FlaskClient, three_failures: list[Document]
    ) -> None:
        """The order's timeline has the name of the operating system's user."""
        flask("replay", "--order", "1001")
        events = read(client, f"/order/{three_failures[0]['order_id']}/events")["events"]
        (delivery,) = (e["deliveries"]["billing"] for e in events if "billing" in e["deliveries"])
        assert [(n["action"], n.get("by")) for n in delivery["log"]] == [
            ("failed", None),
            ("replayed", OPERATOR),
        ]

    def test_a_rate_does_not_change_the_outcome(self, flask: Give, failures: Failures) -> None:
        assert flask("replay", "--all", "--rate", "50").stdout.startswith("3 succeeded")
        assert failures() == []

    def test_a_running_replay_is_skipped(
        self, flask: Give, runtime: Runtime, failures: Failures
    ) -> None:
        """A running delivery of another process is left alone."""
        entry, *_ = failures()
        _hold_back(runtime, entry)
        with transaction(runtime.store) as tx:
            failing.replay(tx, entry["id"], "eva")
        result = flask("replay", "--all", "--dry-run")
        assert f"would skip: {entry['id']}" in result.stdout
        assert "2 would run, 1 be skipped, 0 wait." in result.stdout

    def test_a_dead_replay_is_taken_over(
        self, flask: Give, runtime: Runtime, failures: Failures
    ) -> None:
        """The next run finishes what a killed run began, when no other process delivers."""
        runtime.close()
        with transaction(runtime.store) as tx:
            for entry in failures():
                failing.replay(tx, entry["id"], "eva")
        assert flask("replay", "--all").stdout.startswith("3 succeeded, 0 failed again, 0 skipped")
        assert failures() == []


def test_a_waiting_failure_runs_after_the_one_before(
    flask: Give,
    client: FlaskClient,
    runtime: Runtime,
    settled: Callable[[], None],
    failures: Failures,
    catalogue: dict[str, str],
) -> None:
    """Two dead deliveries of one order and handler, as a file from elsewhere may have them."""
    _two_dead_in_a_row(client, runtime, settled)
    result = flask("replay", "--all", "--dry-run").stdout
    assert "until an earlier event of the same order has succeeded" in result
    assert "1 would run, 0 be skipped, 1 wait." in result
    assert flask("replay", "--all").stdout.startswith("2 succeeded, 0 failed again, 0 skipped, 0 w")
    assert failures() == []


def test_a_run_does_not_wait_for_what_is_held_up(
    flask: Give,
    client: FlaskClient,
    runtime: Runtime,
    settled: Callable[[], None],
    failures: Failures,
    catalogue: dict[str, str],
) -> None:
    """The later of two is meant, the earlier is not: it waits, and the command ends."""
    _two_dead_in_a_row(client, runtime, settled)
    first, second = sorted(entry["id"] for entry in failures())
    result = flask("replay", "--id", second)
    assert result.stdout == "0 succeeded, 0 failed again, 0 skipped, 1 waiting.\n"
    flask("replay", "--id", first)
    settled()
    assert failures() == []


def _hold_back(runtime: Runtime, entry: Document) -> None:
    """Have billing hold this order's events up for a while."""
    order = entry["event"]["subject"]
    with transaction(runtime.store) as tx:
        tx.put(
            "faults",
            {"handler": "billing", "mode": "slow", "times": None, "delay_s": 60, "order": order},
        )


def _two_dead_in_a_row(client: FlaskClient, runtime: Runtime, settled: Callable[[], None]) -> None:
    client.put("/fault/billing", json={"mode": "reject"})
    place(client, tea=1)
    client.post("/order/1001/cancel")
    settled()
    client.delete("/fault/billing")
    runtime.close()
    with transaction(runtime.store) as tx:
        (second,) = (
            record
            for record in tx.find(outbox.OUTBOX.name).documents
            if record["event"]["type"] == "order.cancelled"
        )
        outbox.mark_dead(second["deliveries"]["billing"], "bad too")
        outbox.save_record(tx, second)
        failing.put_entry(tx, second["event"], "billing", "bad too")
