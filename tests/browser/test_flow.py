"""The live picture of the flow: an order's events are seen at each place, in order."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open, order_by_http, problems_of
from tests.processes.servers import Server, wait_for

pytestmark = pytest.mark.deep

NOTE_PLACES = """() => {
  document.places = [];
  const note = () => {
    for (const each of document.querySelectorAll("#tokens [aria-label]")) {
      const label = each.getAttribute("aria-label");
      if (!document.places.includes(label)) document.places.push(label);
    }
    requestAnimationFrame(note);
  };
  note();
}"""
"""Notes where each mark is seen from now on, each place once."""


def watch(person: Open) -> Page:
    """Open the flow, with its stream."""
    page = person("/flow", viewport={"width": 1280, "height": 900})
    expect(page.get_by_text("· live")).to_be_visible()
    page.evaluate(NOTE_PLACES)
    return page


def wait_for_place(page: Page, label: str) -> None:
    """Wait until a mark was seen at a place."""
    page.wait_for_function("(label) => document.places.includes(label)", arg=label)


def seen(page: Page, event: str) -> list[str]:
    """Return the places at which an event was seen so far, in order."""
    labels: list[str] = page.evaluate("document.places")
    return [each.removeprefix(f"{event}, ") for each in labels if each.startswith(f"{event}, ")]


def test_an_order_is_seen_at_every_place(shop: Server, person: Open) -> None:
    """From the API to done, without a reload; the events that follow begin in the journal."""
    page = watch(person)
    way = ["arrived", "written to the journal", "in the outbox"]
    for number in range(1001, 1006):  # a slow page may miss a place of one order
        order_by_http(shop, {"pencil-hb": 1})
        placed, reserved = f"Order placed, order {number}", f"Stock reserved, order {number}"
        wait_for_place(page, f"{placed}, billing: done")
        wait_for_place(page, f"{reserved}, orders: done")
        if seen(page, placed)[:3] == way and seen(page, reserved)[:2] == way[1:]:
            break
    assert seen(page, placed)[:3] == way
    assert {"inventory: under way", "billing: under way"} <= set(seen(page, placed)[3:])
    assert seen(page, placed).index("billing: under way") < seen(page, placed).index(
        "billing: done"
    )
    assert seen(page, reserved)[:2] == way[1:]
    expect(page.locator("#box-billing")).to_contain_text(f"{number - 1000} done")
    expect(page.locator("#tokens [aria-label]")).to_have_count(0)


def test_a_failure_waits_and_comes_back(shop: Server, person: Open) -> None:
    """A dead letter, its waiting successor, and the replay through outbox and handler."""
    page = watch(person)
    shop.request("PUT", "/fault/billing", {"mode": "reject"})
    expect(page.locator("#box-billing")).to_contain_text("switch: reject")
    order_by_http(shop, {"pencil-hb": 1})
    placed, cancelled = "Order placed, order 1001", "Order cancelled, order 1001"
    wait_for_place(page, f"{placed}, billing: failed, in failure.json")
    expect(page.locator("#boxes")).to_contain_text("1 failure")
    shop.request("DELETE", "/fault/billing")
    shop.request("POST", "/order/1001/cancel", {})
    wait_for_place(page, f"{cancelled}, billing: waits behind a failure of this order")
    another = watch(person)
    wait_for_place(another, f"{cancelled}, billing: waits behind a failure of this order")

    page.evaluate("document.places = []")
    assert shop.request("POST", "/failure/replay", {"all": True})[0] == 202
    for each in (page, another):
        wait_for_place(each, f"{placed}, billing: done")
        wait_for_place(each, f"{cancelled}, billing: done")
    assert seen(page, placed)[-3:] == ["in the outbox", "billing: under way", "billing: done"]
    expect(page.locator("#boxes")).to_contain_text("0 failures")


class TestRetries:
    """A shop that waits some seconds between attempts."""

    @pytest.fixture
    def shop(self, serve: Callable[..., Server]) -> Server:
        """See serve."""
        return serve(RETRY_WAIT="6")

    def test_a_retry_counts_down(self, shop: Server, person: Open) -> None:
        """The attempt, its error and the seconds to the next one; then it is done."""
        page = watch(person)
        shop.request("PUT", "/fault/billing", {"mode": "fail", "times": 1})
        order_by_http(shop, {"pencil-hb": 1})
        placed = "Order placed, order 1001"
        wait_for_place(page, f"{placed}, billing: attempt 2 in 2 s")
        row = page.locator("#way").get_by_role("row").filter(has_text="attempt 2 in")
        expect(row).to_contain_text("a fault switch is on for billing (fail)")
        wait_for_place(page, f"{placed}, billing: attempt 2 in 1 s")
        wait_for_place(page, f"{placed}, billing: done")
        at_billing = [each for each in seen(page, placed) if "billing" in each]
        assert at_billing[0] == "billing: under way"
        assert at_billing[-1] == "billing: done"

    def test_an_open_breaker_is_seen(self, shop: Server, person: Open) -> None:
        """While the handler's peer is down; afterwards everything is done."""
        shop.request("PUT", "/fault/billing", {"mode": "down"})
        page = watch(person)
        for _ in range(6):
            order_by_http(shop, {"pencil-hb": 1})
        expect(page.locator("#box-billing")).to_contain_text("breaker open")
        expect(page.locator("#handlers")).to_contain_text("circuit breaker open")
        shop.request("DELETE", "/fault/billing")
        expect(page.locator("#box-billing")).to_contain_text("done")


def test_the_picture_is_right_after_a_restart(shop: Server, person: Open) -> None:
    """What failed before the server was killed is where it was."""
    page = watch(person)
    shop.request("PUT", "/fault/billing", {"mode": "reject"})
    order_by_http(shop, {"pencil-hb": 1})
    label = "Order placed, order 1001, billing: failed, in failure.json"
    wait_for_place(page, label)
    shop.kill()
    page.evaluate("document.getElementById('tokens').replaceChildren()")
    shop.start()
    expect(page.locator(f'#tokens [aria-label="{label}"]')).to_be_visible()
    order_by_http(shop, {"pencil-hb": 1})
    wait_for_place(page, "Order placed, order 1002, inventory: done")


def test_marks_and_boxes_are_links(shop: Server, person: Open) -> None:
    """By keyboard, in the order of the picture; a mark leads to its event."""
    shop.request("PUT", "/fault/billing", {"mode": "reject"})
    order_by_http(shop, {"pencil-hb": 1})
    page = watch(person)
    mark = page.locator("#tokens [href]").filter(has_text="1001").last
    expect(mark).to_have_attribute("aria-label", "Order placed, order 1001, billing: failed, in "
                                   "failure.json")  # fmt: skip
    mark.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Order placed")).to_be_visible()


def test_deliveries_are_paused_and_let_go(shop: Server, person: Open) -> None:
    """One by one, without a reload; a second browser sees the same."""
    page, another = watch(person), watch(person)
    page.get_by_role("button", name="Pause deliveries").click()
    order_by_http(shop, {"pencil-hb": 1})
    placed = "Order placed, order 1001"
    for each in (page, another):
        expect(each.get_by_text("3 wait.")).to_be_visible()
        for handler in ("inventory", "billing", "notification"):
            wait_for_place(each, f"{placed}, {handler}: paused")
    page.get_by_role("button", name="Let one run").click()
    for each in (page, another):
        wait_for_place(each, f"{placed}, inventory: done")
    assert f"{placed}, billing: done" not in seen(page, placed)
    expect(page.get_by_role("button", name="Let one run")).to_be_focused()
    page.get_by_role("button", name="Let all run").click()
    wait_for_place(another, f"{placed}, billing: done")
    expect(page.get_by_role("button", name="Pause deliveries")).to_be_visible()


def test_a_pause_ends_without_a_watcher(shop: Server, person: Open) -> None:
    """It lasts while the page is open, and no longer."""
    page = watch(person)
    page.get_by_role("button", name="Pause deliveries").click()
    expect(page.get_by_role("button", name="Let one run")).to_be_visible()
    order_by_http(shop, {"pencil-hb": 1})
    with page.expect_response(lambda each: each.status == 204):
        pass  # the lease is renewed
    page.close()
    wait_for(
        "it is delivered",
        lambda: shop.request("GET", "/order/1001")[1]["payment_status"] == "paid",
    )


def test_a_switch_is_set_beside_its_handler(shop: Server, person: Open) -> None:
    """Without leaving the page; what is wrong in the form is said."""
    page = watch(person)
    row = page.locator("#handlers").get_by_role("row").filter(has_text="billing")
    row.get_by_text("Make it fail").click()
    row.get_by_label("Times").fill("2")
    row.get_by_role("button", name="Switch on").click()
    expect(row).to_contain_text("fault switch: fail")
    row.get_by_role("button", name="Switch off").click()
    expect(row).to_contain_text("ready")
    row.get_by_text("Make it fail").click()
    row.get_by_label("Times").fill("often")
    row.get_by_role("button", name="Switch on").click()
    expect(page.get_by_text("Times must be a whole number.").first).to_be_visible()


def test_a_line_of_the_journal_can_be_read(shop: Server, person: Open) -> None:
    """Its lines come by on the open page, and stay there when a checkpoint has removed them."""
    page = person("/flow")
    page.locator("#box-journal").click()
    expect(page.get_by_text("· live")).to_be_visible()
    stayed = page.locator("#lines details[data-gone]").filter(has_text="orders")
    wait_for("a line stays", lambda: order_by_http(shop, {"pencil-hb": 1}) and stayed.count())
    stayed.last.locator("summary").click()
    expect(stayed.last.locator("pre")).to_contain_text('"customer_name":"Ada"')


def test_a_box_leads_to_its_code(shop: Server, person: Open) -> None:
    """By keyboard, from the picture."""
    page = person("/flow", viewport={"width": 1280, "height": 900})
    page.locator("#box-billing").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("app.billing.handlers.on_order_event")).to_be_visible()


def test_small_screens_scroll_the_picture(shop: Server, person: Open) -> None:
    """The page itself stays as wide as the screen, and a change leaves the picture where it is."""
    shop.request("PUT", "/fault/billing", {"mode": "reject"})
    order_by_http(shop, {"pencil-hb": 1})
    page = person("/flow", viewport={"width": 360, "height": 740})
    expect(page.locator("#way")).to_contain_text("billing: failed, in failure.json")
    page.locator("#box-done").scroll_into_view_if_needed()
    where = "() => [scrollX, document.querySelector('.flow-card').scrollLeft > 0]"
    assert page.evaluate(where) == [0, True]
    order_by_http(shop, {"pencil-hb": 1})
    expect(page.locator("#way")).to_contain_text("1002")
    assert page.evaluate(where) == [0, True]


def test_nothing_is_requested_in_a_quiet_shop(shop: Server, person: Open) -> None:
    """An open page that shows nothing on its way requests itself no more."""
    order_by_http(shop, {"pencil-hb": 1})
    page = watch(person)
    expect(page.locator("#way")).to_contain_text("Every event has reached all its handlers.")
    wait_for("the rates are zero", lambda: not page.evaluate(IS_TIMED))


IS_TIMED = """async () => {
  const text = await (await fetch("/flow")).text();
  return "refreshAfter" in new DOMParser().parseFromString(text, "text/html").body.dataset;
}"""
"""Whether the page would request itself again."""


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1280, 1920])
def test_the_flow_is_accessible(shop: Server, person: Open, width: int, colours: str) -> None:
    """With marks at all places: done, dead, waiting."""
    shop.request("PUT", "/fault/billing", {"mode": "reject"})
    for _ in range(3):
        order_by_http(shop, {"pencil-hb": 1})
    shop.request("POST", "/order/1001/cancel", {})
    page = person(
        "/flow", viewport={"width": width, "height": 900}, color_scheme=colours,
        reduced_motion="reduce",
    )  # fmt: skip
    expect(page.locator("#way")).to_contain_text("waits behind a failure")
    assert problems_of(page) == []
