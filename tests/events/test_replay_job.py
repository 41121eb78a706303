"""A run of a replay: what belongs to it, what it skips, and when it ends."""

from collections.abc import Callable
from dataclasses import replace
from time import monotonic

import pytest
from flask.testing import FlaskClient

from app.config import Config
from app.events import failures
from app.events.faults import FAULTS
from app.events.replay import Step, plan
from app.events.replay_job import ReplayJob, Tally
from app.server.runtime import Runtime
from tests.over_http import place


@pytest.fixture
def config(config: Config) -> Config:
    """With fault switches."""
    return replace(config, faults=True)


@pytest.fixture
def steps(
    runtime: Runtime,
    client: FlaskClient,
    catalogue: dict[str, str],
    settled: Callable[[], None],
) -> list[Step]:
    """The plan for four orders that billing refused, before its fault was mended."""
    client.put("/fault/billing", json={"mode": "reject"})
    for _ in range(4):
        place(client, tea=1)
    settled()
    client.delete("/fault/billing")
    with runtime.store.read() as view:
        return plan(view, failures.Selection())


def test_it_tells_as_its_entries_end(runtime: Runtime, steps: list[Step]) -> None:
    """What it tells adds up to the length of the list."""
    run = ReplayJob(runtime.store, steps, "eva")
    assert sum(run.follow()) == 4
    assert run.tally == Tally(succeeded=4)


def test_an_entry_that_another_run_had_meanwhile_is_skipped(
    runtime: Runtime, client: FlaskClient, steps: list[Step]
) -> None:
    """Even if it failed there once more: the list is that of the start."""
    run = ReplayJob(runtime.store, steps, "eva")
    client.put("/fault/billing", json={"mode": "reject"})
    other = ReplayJob(runtime.store, steps[:2], "bo")
    assert sum(other.follow()) == 2
    client.delete("/fault/billing")
    assert sum(run.follow()) == 4
    assert other.tally == Tally(failed=2)
    assert run.tally == Tally(succeeded=2, skipped=2)


def test_an_entry_that_is_gone_meanwhile_is_skipped(runtime: Runtime, steps: list[Step]) -> None:
    """Somebody gave it up."""
    run = ReplayJob(runtime.store, steps, "eva")
    with runtime.store.transaction() as tx:
        failures.discard(tx, steps[0].id, "bo", "paid in cash")
    assert sum(run.follow()) == 4
    assert run.tally == Tally(succeeded=3, skipped=1)


def test_failures_that_come_later_are_not_in_the_list(
    runtime: Runtime, client: FlaskClient, steps: list[Step], settled: Callable[[], None]
) -> None:
    """The list is frozen."""
    run = ReplayJob(runtime.store, steps, "eva")
    client.put("/fault/billing", json={"mode": "reject", "times": 1})
    place(client, "Late", tea=1)
    settled()
    assert sum(run.follow()) == 4
    with runtime.store.read() as view:
        assert view.count(failures.FAILURES.name) == 1


def test_a_rate_spreads_the_entries(runtime: Runtime, steps: list[Step]) -> None:
    """Ten in a second: the fourth is not set going before 0.3 s have passed."""
    began = monotonic()
    assert sum(ReplayJob(runtime.store, steps, "eva", rate=10).follow()) == 4
    assert monotonic() - began >= 0.3


def test_a_run_without_progress_ends(runtime: Runtime, steps: list[Step]) -> None:
    """What is slow goes on without it."""
    with runtime.store.transaction() as tx:
        tx.put(
            FAULTS.name,
            {"handler": "billing", "mode": "slow", "times": None, "delay_s": 60, "order": None},
        )
    run = ReplayJob(runtime.store, steps, "eva", patience_s=0.5)
    assert sum(run.follow()) == 0
    assert run.tally == Tally(waiting=4)
    with runtime.store.read() as view:
        assert view.count(failures.FAILURES.name, {"state": failures.REPLAYING}) == 4
