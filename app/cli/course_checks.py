"""The checks of the course, on the data folder, or on the code for exercise 6.

A check looks for what happened, not for how: an exercise may be repeated, and done with other
orders than its page has. It changes nothing. It returns a sentence for everything that is missing,
and none when the exercise is done.
"""

import json
import subprocess  # (runs pytest alone)  # nosec B404
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from itertools import chain, product
from pathlib import Path
from typing import NamedTuple

from app.cli.command import CommandFailed
from app.events.outbox import DEAD, DISCARDED, DONE, PENDING, timeline
from app.events.types import EVENT_TYPES, OrderDelivered, OrderPlaced, OrderUpdated
from app.http.requests.idempotency import IDEMPOTENCY
from app.notification.mailbox import Mailbox
from app.orders.documents import ORDERS
from app.server.migrations import SCHEMA
from app.server.runtime import Runtime
from app.store import Document, View
from app.store.files.folder.open import is_data_folder
from app.store.files.tools.read_only import open_read_only

PROGRAM = Path(__file__).parents[2]
"""The folder of the code, whose documents exercise 6 reads, and whose tests it runs."""


class Delivery(NamedTuple):
    """The delivery of an event about order `number`; `document` is its state in the outbox."""

    number: int
    event: Document
    handler: str
    document: Document

    def __str__(self) -> str:
        """The delivery in words."""
        return f"{self.event['type']} of order {self.number} to {self.handler}"

    @property
    def state(self) -> str:
        """pending, done, dead or discarded."""
        return str(self.document["state"])

    @property
    def ended_at(self) -> str:
        """When its last attempt ended; "" before that."""
        return str(self.document.get("at", ""))

    def times(self, action: str, error: str = "") -> list[str]:
        """When it failed with `error` in the text, or was replayed or discarded; oldest first."""
        log = self.document.get("log", ())
        return [
            each["at"]
            for each in log
            if each["action"] == action and error in each.get("error", "")
        ]


Deliveries = dict[str, Delivery]
"""The deliveries of one event, by handler."""


def check_replay(_runtime: Runtime, view: View) -> list[str]:
    """1: a delivery failed for good, was replayed, and is done."""
    failed = (each for each in _deliveries(view) if each.state == DEAD or each.times("replayed"))
    return _nearest(
        (
            _missing((each.state == DONE, f"{each} has failed for good: replay it."))
            for each in failed
        ),
        "No delivery has failed for good: have billing fail, place an order, and wait.",
    )


def check_separate_deliveries(runtime: Runtime, view: View) -> list[str]:
    """2: the peer of billing was down, the mail went out meanwhile, and billing is done now."""
    mailbox = Mailbox(runtime.config.data / "mail")

    def missing(placed: Deliveries) -> list[str]:
        billing, mail = placed["billing"], placed["notification"]
        was_earlier = mail.state == DONE and mail.ended_at < billing.ended_at
        return _missing(
            (
                was_earlier and mailbox.about({mail.event["id"]}),
                f"No mail about order {mail.number} was sent while billing was down: give its "
                "customer an e-mail address.",
            ),
            (billing.state == DONE, f"{billing} is not done: switch the fault off, and wait."),
        )

    return _nearest(
        (missing(each) for each in _placed(view) if each["billing"].times("failed", "(down)")),
        "Billing has never found its peer down: switch it to down, and place an order.",
    )


def check_kill(runtime: Runtime, view: View) -> list[str]:
    """3: the shop was killed before the mail about an order, which was sent after a new start."""
    copy = runtime.config.data.with_name(f"{runtime.config.data.name}-killed")
    if not is_data_folder(copy, runtime.collections):
        return [f"There is no copy {copy.name}/ beside the data folder: make it after kill -9."]
    with open_read_only(copy, runtime.collections, SCHEMA) as killed:
        unsent = [each["notification"] for each in _placed(killed) if _lacks_mail_alone(each)]
    mails = (each["notification"] for each in _placed(view))
    sent = {each.event["id"] for each in mails if each.state == DONE}
    return _nearest(
        (
            _missing((each.event["id"] in sent, f"{each} is not done: start the shop, and wait."))
            for each in unsent
        ),
        f"In {copy.name}/ no order has all but its mail: kill the shop between the two.",
    )


def check_two_clerks(_runtime: Runtime, view: View) -> list[str]:
    """4: an order was placed once under a key, and two changes of it are both there."""
    stored = [each for each in view.find(IDEMPOTENCY.name).documents if each["status"] == 201]
    bodies = (json.loads(each["body"]) for each in stored if " POST /order " in each["key"])
    keyed = {each["order_id"] for each in bodies}
    orders = view.find(ORDERS.name).documents
    contents = {each["order_id"]: _contents(view, each) for each in orders}

    def missing(order: Document) -> list[str]:
        name, versions = f"Order {order['number']}", contents[order["order_id"]]
        twins = [
            str(each["number"])
            for each in orders
            if each["order_id"] not in keyed
            and each["customer_name"] == order["customer_name"]
            and contents[each["order_id"]][0] == versions[0]
        ]
        changes, lost = versions[1:], sorted({*chain.from_iterable(versions)} - {*versions[-1]})
        return _missing(
            (not twins, f"{name} was repeated without its key, as {' and '.join(twins)}."),
            (len(changes) >= 2, f"{name} was changed by {len(changes)} of the two clerks."),
            (not lost, f"{name} lost {' and '.join(lost)}: one clerk wrote over the other."),
        )

    return _nearest(
        (missing(each) for each in orders if each["order_id"] in keyed),
        "No order was placed with an Idempotency-Key.",
    )


def check_poison(_runtime: Runtime, view: View) -> list[str]:
    """5: a permanent error was discarded, a transient one passed, an outage held an order."""
    billing = [each for each in _deliveries(view) if each.handler == "billing"]
    done = [each for each in billing if each.state == DONE]

    def after_discard(poison: Delivery) -> list[str]:
        [failed_at], [discarded_at] = poison.times("failed"), poison.times("discarded")
        others = [each for each in done if failed_at < each.ended_at < discarded_at]
        successors = [
            each for each in done if each.number == poison.number and each.ended_at > discarded_at
        ]
        return _missing(
            (others, f"No other order was billed while {poison} was in failure.json."),
            (successors, f"No later event of order {poison.number} was waiting for the discard."),
        )

    discarded = (
        each for each in billing if each.state == DISCARDED and each.document["attempts"] == 1
    )
    return [
        *_nearest(
            map(after_discard, discarded),
            "No delivery failed at its first attempt and was discarded: switch billing to reject.",
        ),
        *_missing(
            (
                any(each.times("failed", "(fail)") and not each.times("replayed") for each in done),
                "No delivery was done after a transient error: have billing fail twice.",
            ),
            (
                any(_was_held(one, other) for one, other in product(done, done)),
                "No order waited behind an open breaker, and was billed when it closed.",
            ),
        ),
    ]


def check_handler() -> list[str]:
    """6: the handler loyalty gets order.delivered, is documented, and its tests pass."""
    tests = PROGRAM / "tests/loyalty"
    missing = _missing(
        ("loyalty" in OrderDelivered.handled_by, "OrderDelivered.handled_by lacks loyalty."),
        (
            any(each.source == "/loyalty" for each in EVENT_TYPES),
            "No event has the source /loyalty.",
        ),
        (
            "loyalty" in (PROGRAM / "docs/flow.md").read_text("utf-8"),
            "docs/flow.md does not name loyalty.",
        ),
        (tests.is_dir(), "There is no folder tests/loyalty/."),
    )
    return missing or _missing((_pass(tests), "The tests in tests/loyalty/ do not pass."))


CHECKS: dict[int, Callable[[Runtime, View], list[str]]] = {
    1: check_replay,
    2: check_separate_deliveries,
    3: check_kill,
    4: check_two_clerks,
    5: check_poison,
}
"""The checks that read the data folder, by exercise."""


def _missing(*conditions: tuple[object, str]) -> list[str]:
    """The sentences about the conditions that do not hold."""
    return [sentence for holds, sentence in conditions if not holds]


def _nearest(candidates: Iterable[list[str]], otherwise: str) -> list[str]:
    """The shortest list of missing things; the sentence `otherwise` without candidates."""
    return min(candidates, key=len, default=[otherwise])


def _events(view: View) -> Iterator[Deliveries]:
    """The deliveries of each event about an order, by handler; oldest first for each order."""
    for order in view.find(ORDERS.name).documents:
        for record in timeline(view, order["order_id"]):
            yield {
                handler: Delivery(order["number"], record["event"], handler, each)
                for handler, each in record["deliveries"].items()
            }


def _deliveries(view: View) -> Iterator[Delivery]:
    return (each for event in _events(view) for each in event.values())


def _placed(view: View) -> Iterator[Deliveries]:
    """The deliveries of each order.placed."""
    for event in _events(view):
        if any(each.event["type"] == OrderPlaced.type for each in event.values()):
            yield event


def _lacks_mail_alone(placed: Deliveries) -> bool:
    others = placed["inventory"].state, placed["billing"].state
    return placed["notification"].state == PENDING and others == (DONE, DONE)


def _contents(view: View, order: Document) -> list[dict[str, int]]:
    """The quantities by product that the order had, oldest first."""
    events = (each["event"] for each in timeline(view, order["order_id"]))
    wanted = (each for each in events if each["type"] in (OrderPlaced.type, OrderUpdated.type))
    return [
        {line["product"]: line["quantity"] for line in each["data"]["order"]["items"]}
        for each in wanted
    ]


def _was_held(order: Delivery, failing: Delivery) -> bool:
    """Whether a delivery did not fail although it became due during the outage of another one."""
    outages = failing.times("failed", "(down)")
    is_within = outages and outages[0] < order.event["time"] < failing.ended_at
    return bool(is_within) and "log" not in order.document


def _pass(tests: Path) -> bool:
    """Whether these tests pass, by pytest in the folder of the code; prints what it does.

    Raises CommandFailed where pytest is not installed.
    """
    if find_spec("pytest") is None:
        raise CommandFailed("`make test` installs what the tests need.")
    command = [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", str(tests)]
    return subprocess.run(command, cwd=PROGRAM, check=False).returncode == 0  # noqa: S603  # nosec B603
