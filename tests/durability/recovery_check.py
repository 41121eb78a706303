"""Checks a data folder after a crash, by a start and the delivery of all events."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from app import COLLECTIONS
from app.audit import recompute
from app.events.failures import FAILURES
from app.events.outbox import DONE, EVENTS, timeline
from app.kernel.errors import DaybookError
from app.kernel.order_states import CANCELLED
from app.orders.documents import ORDERS
from app.store import Document, View
from app.store.files.tools.verify import verify
from tests.durability.day import MEND, REPLAY, Operation, Orders, Shop


class CheckResult(NamedTuple):
    """The findings; the folder is sound when `problems` is empty."""

    orders: int
    events: int
    problems: list[str]


def check_recovery(data: Path, acceptable: list[Orders]) -> CheckResult:
    """Start the shop, deliver what is left, and compare the orders with those acceptable."""
    problems = [f"before the start: {each.text}" for each in _findings(data) if not each.heals]
    problems += _unreadable_files(data)
    shop = Shop(data)
    orders = events = 0
    try:
        _finish_the_deliveries(shop)
        with shop.runtime.store.read() as view:
            problems += _judge_orders(view, acceptable)
            problems += [str(each) for each in recompute(view).differences]
            orders, events = view.count(ORDERS.name), sum(1 for _ in view.keys(EVENTS.name))
    except (DaybookError, AssertionError) as error:
        problems.append(f"{type(error).__name__}: {error}")
    finally:
        shop.close()
    problems += [f"in the end: {each.text}" for each in _findings(data)]
    problems += _unreadable_files(data)
    return CheckResult(orders, events, problems)


def _finish_the_deliveries(shop: Shop) -> None:
    """Clear the fault of billing, and replay what it missed."""
    shop.deliver_all()
    shop.do(Operation(MEND))
    shop.do(Operation(REPLAY))
    shop.deliver_all()


def _findings(data: Path) -> list[Any]:
    return verify(data, COLLECTIONS).faults


def _unreadable_files(data: Path) -> list[str]:
    """The files under data/ that are not what a person can open."""
    unreadable = []
    for path in data.glob("*.json"):
        try:
            json.loads(path.read_bytes())
        except ValueError as error:
            unreadable.append(f"{path.name} is not JSON: {error}")
    return unreadable


def _judge_orders(view: View, acceptable: list[Orders]) -> list[str]:
    orders = view.find(ORDERS.name).documents
    found = {each["number"]: _entry(each) for each in orders}
    problems = []
    if found not in acceptable:
        problems.append(f"the orders are {found}, not one of {acceptable}")
    if view.count(FAILURES.name):
        problems.append("a delivery is still in failure.json")
    problems += [problem for order in orders for problem in _judge_deliveries(view, order)]
    return problems


def _entry(order: Document) -> dict[str, Any]:
    lines = {line["product"]: line["quantity"] for line in order["items"]}
    return {"lines": lines, "cancelled": order["status"] == CANCELLED}


def _judge_deliveries(view: View, order: Document) -> list[str]:
    """The deliveries of an order's events that are not done."""
    return [
        f"{record['event']['type']} of {order['number']}: {handler} is {delivery['state']}"
        for record in timeline(view, order["order_id"])
        for handler, delivery in record["deliveries"].items()
        if delivery["state"] != DONE
    ]
