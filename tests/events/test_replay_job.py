"""Replay jobs: which entries they replay, which they skip, and when they end."""

from collections.abc import Callable
from dataclasses import replace
from time import monotonic

import pytest
from flask.testing import FlaskClient

from app.config import Config
from app.events import failures
from app.events.faults import FAULTS
from app.events.outbox import OUTBOX
from app.events.replay import PlanEntry, plan_replay
from app.events.replay_job import ReplayCounts, ReplayJob
from app.server.runtime import Runtime
from tests.over_http import place
from tests.transactions import transaction


@pytest.fixture
def config(config: Config) -> Config:
    """With fault switches."""
    return replace(config, faults=True)


@pytest.fixture
def plan(
    runtime: Runtime,
    client: FlaskClient,
    catalogue: dict[str, str],
    settled: Callable[[], None],
) -> list[PlanEntry]:
    """A plan for four orders that billing rejected; its fault switch is off again."""
    client.put("/fault/billing", json={"mode": "reject"})
    for _ in range(4):
        place(client, tea=1)
    settled()
    client.delete("/fault/billing")
    with runtime.store.read() as view:
        return plan_replay(view, failures.Selection())


def test_it_yields_how_many_entries_have_ended(runtime: Runtime, plan: list[PlanEntry]) -> None:
    """The numbers add up to the length of the plan."""
    job = ReplayJob(runtime.store, plan, "eva")
    assert sum(job.run()) == 4
    assert job.counts == ReplayCounts(succeeded=4)


def test_an_entry_that_another_job_replayed_meanwhile_is_skipped(
    runtime: Runtime, client: FlaskClient, plan: list[PlanEntry]
) -> None:
    """It is skipped even if it failed again there."""
    job = ReplayJob(runtime.store, plan, "eva")
    client.put("/fault/billing", json={"mode": "reject"})
    other = ReplayJob(runtime.store, plan[:2], "bo")
    assert sum(other.run()) == 2
    client.delete("/fault/billing")
    assert sum(job.run()) == 4
    assert other.counts == ReplayCounts(failed=2)
    assert job.counts == ReplayCounts(succeeded=2, skipped=2)


def test_an_entry_that_was_discarded_meanwhile_is_skipped(
    runtime: Runtime, plan: list[PlanEntry]
) -> None:
    """A discarded entry counts as skipped, and the job ends."""
    job = ReplayJob(runtime.store, plan, "eva")
    with transaction(runtime.store) as tx:
        failures.discard(tx, plan[0].id, "bo", "paid in cash")
    assert sum(job.run()) == 4
    assert job.counts == ReplayCounts(succeeded=3, skipped=1)


def test_an_entry_that_was_discarded_after_the_plan_is_skipped(
    runtime: Runtime, plan: list[PlanEntry]
) -> None:
    """It is gone before the job begins."""
    with transaction(runtime.store) as tx:
        failures.discard(tx, plan[0].id, "bo", "paid in cash")
    job = ReplayJob(runtime.store, plan, "eva")
    assert sum(job.run()) == 4
    assert job.counts == ReplayCounts(succeeded=3, skipped=1)


def test_an_entry_whose_event_is_gone_is_skipped(runtime: Runtime, plan: list[PlanEntry]) -> None:
    """The other entries are replayed all the same."""
    with transaction(runtime.store) as tx:
        tx.delete(OUTBOX.name, plan[0].id.partition(":")[0])
    job = ReplayJob(runtime.store, plan, "eva")
    assert sum(job.run()) == 4
    assert job.counts == ReplayCounts(succeeded=3, skipped=1)


def test_later_failures_are_not_replayed(
    runtime: Runtime, client: FlaskClient, plan: list[PlanEntry], settled: Callable[[], None]
) -> None:
    """The list is fixed when the job is made."""
    job = ReplayJob(runtime.store, plan, "eva")
    client.put("/fault/billing", json={"mode": "reject", "times": 1})
    place(client, "Late", tea=1)
    settled()
    assert sum(job.run()) == 4
    with runtime.store.read() as view:
        assert view.count(failures.FAILURES.name) == 1


def test_a_rate_spreads_the_entries(runtime: Runtime, plan: list[PlanEntry]) -> None:
    """At ten a second, the fourth is not replayed before 0.3 s have passed."""
    began = monotonic()
    assert sum(ReplayJob(runtime.store, plan, "eva", rate=10).run()) == 4
    assert monotonic() - began >= 0.3


def test_a_job_without_progress_ends(runtime: Runtime, plan: list[PlanEntry]) -> None:
    """The slow deliveries go on without it."""
    with transaction(runtime.store) as tx:
        tx.put(
            FAULTS.name,
            {"handler": "billing", "mode": "slow", "times": None, "delay_s": 60, "order": None},
        )
    job = ReplayJob(runtime.store, plan, "eva", stall_timeout_s=0.5)
    assert sum(job.run()) == 0
    assert job.counts == ReplayCounts(waiting=4)
    with runtime.store.read() as view:
        assert view.count(failures.FAILURES.name, {"state": failures.REPLAYING}) == 4
