"""A model-based test: the whole shop and a plain dict agree after any operations.

Hypothesis sends requests and commands, switches faults on, has the disk fail, lets hours pass, and
restarts the shop, also without an orderly end; it looks for a sequence after which the shop says
something else than the dict. What it finds it prints, with a blob that repeats it.
"""

import json
import tempfile
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from shutil import copytree, ignore_patterns, rmtree
from typing import Any, NamedTuple

import pytest
from click.testing import Result
from freezegun import freeze_time
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from app import COLLECTIONS, create_app
from app.config import Config
from app.store.files.tools.verify import verify
from tests.durability.conftest import EVERYTHING, MEMORY
from tests.durability.day import FIRST_NUMBER, Operation, Shop
from tests.durability.disk import Disk, Step
from tests.durability.failing_disk import KINDS, MAX_ATTEMPTS, Before, failing_at

PRICE_CENTS = 450
STOCK = 10_000
KEY_LIFETIME_H = 24
"""How long an Idempotency-Key is remembered, in hours."""

LINES = st.dictionaries(
    st.sampled_from(["tea", "mug", "pot"]), st.integers(1, 3), min_size=1, max_size=2
)
PLACES = st.integers(0, 5)
KEYS = st.sampled_from(["red", "green", "blue"])
HANDLERS = st.sampled_from(["inventory", "billing", "notification", "orders", "shipping"])
MODES = st.sampled_from(["fail", "reject"])
"""Without "down", after which the breaker delays deliveries for minutes."""


OUTSIDE = ("gateway", "mail")
"""Folders of external services."""


class Sent(NamedTuple):
    """An order sent with an Idempotency-Key: its lines, the hour, and its number."""

    lines: dict[str, int]
    at_h: int
    number: int


class ShopBesideDict(RuleBasedStateMachine):
    """`orders` is the model: by number the lines, and whether the order was cancelled."""

    def __init__(self) -> None:
        super().__init__()
        self.end = ExitStack()
        memory = MEMORY if MEMORY.is_dir() else None
        self.root = Path(self.end.enter_context(tempfile.TemporaryDirectory(dir=memory)))
        self.clock = self.end.enter_context(freeze_time(tick=True))
        self.orders: dict[int, dict[str, Any]] = {}
        self.gone: list[int] = []
        self.sent: dict[str, Sent] = {}
        self.next_number = FIRST_NUMBER
        self.hours = self.folders = 0
        self.fault: Before | None = None
        self.steps = self.tries = 0

    @initialize()
    def open_shop(self) -> None:
        self.disk = self.end.enter_context(Disk(self.root, self.before, reads=True))
        self.data = self.root / "data-0"
        self.shop = Shop(self.data)
        self.shop.do(Operation("open"))

    def before(self, step: Step) -> int | None:
        """The disk works, unless a rule has it fail; then it fails so many steps from there."""
        fault = self.fault  # which a rule may take away meanwhile
        if fault is None:
            return None
        self.steps += 1
        return fault(step._replace(number=self.steps))

    @rule(lines=LINES)
    def place(self, lines: dict[str, int]) -> None:
        self.placed(self.send("POST", "/order", order_of(lines)), lines)

    @rule(lines=LINES, key=KEYS)
    def place_once(self, lines: dict[str, int], key: str) -> None:
        """Sent again within a day the order is not placed again, and another one is refused."""
        status, answer = self.send("POST", "/order", order_of(lines), {"Idempotency-Key": key})
        first = self.sent.get(key)
        if first is None or self.hours - first.at_h >= KEY_LIFETIME_H:
            self.placed((status, answer), lines)
            self.sent[key] = Sent(lines, self.hours, answer["number"])
        elif items_of(first.lines) == items_of(lines):
            assert (status, answer["number"]) == (201, first.number), answer
        else:
            assert status == 422, answer

    @rule(quantity=st.sampled_from([0, -1, "1", 10**9, None]))
    def place_nonsense(self, quantity: object) -> None:
        assert self.send("POST", "/order", order_of({"tea": quantity}))[0] == 422

    @rule(place=PLACES, lines=LINES)
    def change(self, place: int, lines: dict[str, int]) -> None:
        number = self.pick(place)
        status, answer = self.send("PATCH", f"/order/{number}", {"items": items_of(lines)})
        order = self.orders.get(number)
        if order is None:
            assert status == 404, answer
        elif order["cancelled"] and items_of(lines) != items_of(order["lines"]):
            assert status == 409, answer
        else:  # a change that changes nothing is accepted for a cancelled order too
            assert status == 200, answer
            order["lines"] = lines

    @rule(place=PLACES, lines=LINES)
    def change_a_stale_version(self, place: int, lines: dict[str, int]) -> None:
        """A version that the order never had is stale."""
        number, body = self.pick(place), {"items": items_of(lines)}
        status, _ = self.send("PATCH", f"/order/{number}", body, {"If-Match": '"999"'})
        assert status == (412 if number in self.orders else 404)

    @rule(place=PLACES)
    def cancel(self, place: int) -> None:
        number = self.pick(place)
        status, answer = self.send("POST", f"/order/{number}/cancel")
        assert status == (200 if number in self.orders else 404), answer
        if number in self.orders:
            self.orders[number]["cancelled"] = True

    @rule(place=PLACES)
    def delete(self, place: int) -> None:
        number = self.pick(place)
        status, answer = self.send("DELETE", f"/order/{number}")
        assert status == (200 if number in self.orders else 404), answer
        if self.orders.pop(number, None):
            self.gone.append(number)

    @rule(lines=LINES, number=st.integers(1, 12), kind=st.sampled_from(KINDS))
    def place_on_a_failing_disk(self, lines: dict[str, int], number: int, kind: str) -> None:
        """507 means that nothing was changed; after 503 sending the same again places it once."""
        self.tries += 1
        key, body = {"Idempotency-Key": f"failing-{self.tries}"}, order_of(lines)
        self.fault, self.steps = failing_at(number, kind), 0
        status, answer = self.send("POST", "/order", body, key)
        self.fault = None
        assert status in (201, 503, 507), answer
        if status == 507:
            assert self.numbers() == sorted(self.orders)
        sent = self.send("POST", "/order", body, key)
        for _ in range(MAX_ATTEMPTS):  # the dispatcher may just have met the failing call
            if sent[0] == 503:
                sent = self.send("POST", "/order", body, key)
        self.placed(sent, lines)

    @rule(handler=HANDLERS, mode=MODES, times=st.none() | st.integers(1, 3))
    def break_a_handler(self, handler: str, mode: str, times: int | None) -> None:
        assert self.send("PUT", f"/fault/{handler}", {"mode": mode, "times": times})[0] == 200

    @rule()
    def clear_faults_and_replay(self) -> None:
        """After faults are cleared and failures replayed, all is delivered and the check agrees."""
        for fault in self.send("GET", "/fault")[1]["faults"]:
            # a switch that works so many times may have used itself up meanwhile
            assert self.send("DELETE", f"/fault/{fault['handler']}")[0] in (200, 404)
        self.shop.deliver_all()
        while self.send("GET", "/failure")[1]["failures"]:
            assert self.flask("replay", "--all").exit_code == 0
            self.shop.deliver_all()
        result = self.flask("check")
        assert (result.exit_code, "Everything agrees." in result.output) == (0, True), result.output
        held: dict[str, int] = dict.fromkeys(["tea", "mug", "pot"], 0)
        for order in self.orders.values():
            for sku, quantity in ({} if order["cancelled"] else order["lines"]).items():
                held[sku] += quantity
        for sku, quantity in held.items():
            product = self.send("GET", f"/product/{sku}")[1]
            assert (product["quantity"], product["reserved"]) == (STOCK, quantity)

    @rule(hours=st.sampled_from([1, 25]))
    def let_time_pass(self, hours: int) -> None:
        self.clock.tick(timedelta(hours=hours))
        self.hours += hours

    @rule()
    def restart(self) -> None:
        self.shop.close()
        assert verify(self.data, COLLECTIONS).faults == []
        self.shop = Shop(self.data)

    @rule()
    def die(self) -> None:
        """Another shop continues with a copy of the folder from between two writes.

        The gateway and the mailboxes are external, and keep what was under way to them. The dead
        shop records nothing more, so it sends no request that the copy does not know.
        """
        self.folders += 1
        found = self.root / f"data-{self.folders}"
        with self.shop.runtime.open_files().exclusive_write():
            copytree(self.data, found, ignore=ignore_patterns(*OUTSIDE))
            rmtree(self.data / "journal")
        self.shop.close()
        for name in OUTSIDE:
            if (self.data / name).exists():
                copytree(self.data / name, found / name)
        self.data, self.shop = found, Shop(found)

    @rule()
    def back_up(self) -> None:
        """A backup is a shop with the same orders."""
        self.folders += 1
        copy = self.root / f"backup-{self.folders}"
        assert self.flask("backup", str(copy)).exit_code == 0
        shop = Shop(copy)
        try:
            assert numbers_in(shop) == sorted(self.orders)
        finally:
            shop.close()

    @invariant()
    def both_agree(self) -> None:
        if not hasattr(self, "shop"):
            return
        assert self.numbers() == sorted(self.orders)
        for number, order in self.orders.items():
            found = self.send("GET", f"/order/{number}")[1]
            lines = {item["product"]: item["quantity"] for item in found["items"]}
            assert (lines, found["status"] == "cancelled") == (order["lines"], order["cancelled"])
            cents = PRICE_CENTS * sum(order["lines"].values())
            assert found["total_amount"] == f"{cents // 100}.{cents % 100:02}"
        for number in self.gone:
            assert self.send("GET", f"/order/{number}")[0] == 404

    def teardown(self) -> None:
        try:
            if hasattr(self, "shop"):
                self.clear_faults_and_replay()
                self.both_agree()
                self.restart()
                self.both_agree()
                self.shop.close()
        finally:
            self.end.close()

    def placed(self, answer: tuple[int, Any], lines: dict[str, int]) -> None:
        """The order was placed, under the next number."""
        status, order = answer
        assert (status, order.get("number")) == (201, self.next_number), order
        self.orders[self.next_number] = {"lines": lines, "cancelled": False}
        self.next_number += 1

    def pick(self, place: int) -> int:
        """The number of an order, or of one that is gone or was never there."""
        numbers = [*self.orders, *self.gone[-1:], self.next_number]
        return numbers[place % len(numbers)]

    def numbers(self) -> list[int]:
        return numbers_in(self.shop)

    def send(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        answer = self.shop.client.open(path, method=method, json=body, headers=headers)
        return answer.status_code, json.loads(answer.data or b"null")

    def flask(self, *words: str) -> Result:
        """A command, as of another process beside the shop."""
        return create_app(Config(data=self.data)).test_cli_runner().invoke(args=[*words])


def order_of(lines: dict[str, Any]) -> dict[str, Any]:
    """The body of a POST."""
    return {"customer_name": "Ann", "customer_email": "a@example.com", "items": items_of(lines)}


def items_of(lines: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"product": sku, "quantity": quantity} for sku, quantity in lines.items()]


def numbers_in(shop: Shop) -> list[int]:
    """The numbers of all orders that the shop lists."""
    page = shop.client.get("/order?limit=200").get_json()
    return sorted(order["number"] for order in page["orders"])


QUICK = settings(
    max_examples=3,
    stateful_step_count=25,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
TestShop = ShopBesideDict.TestCase
TestShop.settings = QUICK


class LongRun(ShopBesideDict):
    """The same, for more sequences, and longer ones."""


TestLongRun = pytest.mark.long(pytest.mark.deep(LongRun.TestCase))
TestLongRun.settings = settings(
    QUICK, max_examples=400 if EVERYTHING else 40, stateful_step_count=40
)
