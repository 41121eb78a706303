"""`flask failures`, `flask replay` and `flask discard`: list, replay and discard failures."""

import logging
import os
import pwd
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import click

from app.cli.command import command, json_option, print_documents, print_json, progress_bar
from app.events import failures
from app.events.replay import RUN, SKIP, WAIT, PlanEntry, plan_replay
from app.events.replay_job import ReplayJob
from app.events.schemas import DiscardSchema
from app.events.types import EVENT_TYPES
from app.kernel import clock
from app.kernel.errors import Invalid, NotFound, Problem
from app.orders.queries import find_order
from app.schema.validation import load
from app.server.runtime import Runtime
from app.store import Document, View
from app.webhooks.service import GROUP as WEBHOOK

HANDLERS = sorted({WEBHOOK, *(handler for event in EVENT_TYPES for handler in event.handled_by)})
TYPES = [event.type for event in EVENT_TYPES]

_REASONS = {
    RUN: "",
    SKIP: ", because it is being replayed already",
    WAIT: ", until an earlier event of the same order has succeeded",
}


@command("failures", needs_shop=True)
@json_option
def list_failures(runtime: Runtime, *, as_json: bool) -> None:
    """List the deliveries that failed for good (failure.json), oldest first."""
    print_documents(runtime, failures.FAILURES, "failures", _failure_line, as_json=as_json)


@command("discard", needs_shop=True)
@click.argument("failure")
@click.option("--reason", required=True, help="Kept in the order's timeline, with your name.")
def discard(runtime: Runtime, failure: str, reason: str) -> None:
    """Give the delivery FAILURE (an id from `flask failures`) up for good."""
    reason = load(DiscardSchema(), {"reason": reason})["reason"]
    runtime.store.run_in_transaction(
        lambda tx: failures.discard(tx, failure, system_user(), reason)
    )
    click.echo(f"Discarded {failure}.")


@command("replay", needs_shop=True)
@click.option("--handler", type=click.Choice(HANDLERS), help="Only failures of this handler.")
@click.option("--type", type=click.Choice(TYPES), help="Only events of this type.")
@click.option("--order", help="Only events of this order (id or number).")
@click.option("--error", help="Only failures whose error has this text in it.")
@click.option("--since", help="Only failures since then, such as 2026-11-21 or 2026-11-21T08:00Z.")
@click.option("--id", help="Only this failure, or those of this event.")
@click.option("--all", "everything", is_flag=True, help="All failures.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@json_option
@click.option(
    "--rate", type=click.FloatRange(min=0, min_open=True), help="At most so many in a second."
)
def replay(
    runtime: Runtime,
    *,
    everything: bool,
    dry_run: bool,
    as_json: bool,
    rate: float | None,
    **filters: str | None,
) -> None:
    """Run failed deliveries again: the (event, handler) pairs that failed, and nothing else.

    Say which by one or more options, or --all. The list is frozen when the run starts. Stopping the
    command loses nothing.
    """
    if not everything and not any(filters.values()):
        raise click.UsageError("Say which failures: by an option such as --handler, or --all.")
    if as_json and not dry_run:
        raise click.UsageError("--json prints the list of --dry-run; give both.")
    with runtime.store.read() as view:
        if order := filters["order"]:
            filters["order"] = _order_id(view, order)
        if since := filters["since"]:
            filters["since"] = parse_since(runtime, since)
        steps = plan_replay(view, failures.Selection(**filters))
    if as_json:
        print_json([step._asdict() for step in steps])
    elif not steps:
        click.echo("Nothing to replay.")
    elif dry_run:
        _print_plan(steps)
    else:
        _run(runtime, steps, rate)


def _failure_line(entry: Document) -> str:
    event = entry["event"]
    return (
        f"{entry['id']}  {entry['failed_at']}  {event['type']}  order {_number(event)}  "
        f"{entry['state']}, replayed {entry['replays']} times: {entry['error']}"
    )


def _print_plan(steps: list[PlanEntry]) -> None:
    for step in steps:
        click.echo(
            f"would {step.what}: {step.id}  {step.type}  order {step.order}{_REASONS[step.what]}  "
            f"({step.error})"
        )
    count = Counter(step.what for step in steps)
    click.echo(f"{count[RUN]} would run, {count[SKIP]} be skipped, {count[WAIT]} wait.")


@contextmanager
def _muted_log() -> Iterator[None]:
    """Log only CRITICAL: lines would break up the bar, and failure.json has the failures."""
    log = logging.getLogger("app")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


def _run(runtime: Runtime, steps: list[PlanEntry], rate: float | None) -> None:
    """Replay with a progress bar; exits with 1 when some failed again or the run was stopped."""
    job = ReplayJob(runtime.store, steps, system_user(), rate=rate)
    is_stopped = False
    with _muted_log():
        runtime.start()
        with progress_bar("replay", len(steps)) as bar:
            try:
                for completed in job.run():
                    bar.update(completed)
            except KeyboardInterrupt:
                is_stopped = True
    click.echo(f"{job.counts}.")
    if is_stopped:
        click.echo("Stopped; what has not succeeded yet stays in failure.json.", err=True)
    if is_stopped or job.counts.failed:
        sys.exit(1)


def _order_id(view: View, order: str) -> str:
    """The id of an order by id or number, also of a deleted one that has failures."""
    try:
        return str(find_order(view, order)["order_id"])
    except NotFound:
        for entry in view.find(failures.FAILURES.name).documents:
            if order == str(_number(entry["event"])):
                return str(entry["event"]["subject"])
    return order


def _number(event: dict[str, object]) -> object:
    """The order's number where the event has it, or its id."""
    data = event["data"]
    order = data.get("order") if isinstance(data, dict) else None
    return order["number"] if order else event["subject"]


def parse_since(runtime: Runtime, text: str) -> str:
    """The time in an option --since. Raises Invalid."""
    try:
        return clock.parse_input(text, runtime.config.timezone)
    except ValueError as error:
        raise Invalid([Problem("", f"--since {error}.")]) from None


def system_user() -> str:
    """The name of the operating system's user, for the record of replays and discards."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user {os.getuid()}"
