"""A refresh of an open page keeps what a person does: ticks, typed text, focus, scroll position."""

from random import Random

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import Open, order_by_http
from tests.processes.servers import Server

pytestmark = pytest.mark.deep

HAS_CHANGED = "has changed since you began to type"
WATCH_LIVE_REGIONS = """() => {
  document.announcements = [];
  for (const region of document.querySelectorAll("[role=status], [role=alert], [aria-live]"))
    new MutationObserver(() => document.announcements.push(region.textContent.trim()))
      .observe(region, {subtree: true, childList: true, characterData: true, attributes: true});
}"""
"""Notes what a screen reader would announce from now on."""

IS_AS_RENDERED = """async (html) => {
  const refreshed = new Promise((done) => addEventListener("refreshed", done, {once: true}));
  dispatchEvent(new PageTransitionEvent("pageshow", {persisted: true}));
  await refreshed;
  const wanted = new DOMParser().parseFromString(html, "text/html").getElementById("main");
  const found = document.getElementById("main").cloneNode(true);
  for (const each of found.querySelectorAll("[data-fresh]")) each.removeAttribute("data-fresh");
  return found.isEqualNode(wanted) || `${found.outerHTML} is not ${wanted.outerHTML}`;
}"""
"""Refreshes the page and compares it with what the server rendered."""


def live(page: Page) -> Page:
    """Return the page once its stream is open."""
    expect(page.get_by_text("· live")).to_be_visible()
    return page


def fail_orders(shop: Server, number: int) -> None:
    """Place orders whose billing fails for good."""
    assert shop.request("PUT", "/fault/billing", {"mode": "reject"})[0] == 200
    for _ in range(number):
        order_by_http(shop, {"pencil-hb": 1})


def tick(page: Page, number: int) -> Locator:
    """Return the tick of the failure of an order."""
    row = page.locator("#failures").get_by_role("row").filter(has_text=f"order {number}")
    return row.get_by_role("checkbox")


def replay(shop: Server, number: int) -> None:
    """Replay the failures of one order."""
    assert shop.request("POST", "/failure/replay", {"order": str(number)})[0] == 202


def test_ticks_stay(shop: Server, person: Open) -> None:
    """A failure that is chosen stays so when others arrive, and `Replay the chosen` takes it."""
    fail_orders(shop, 2)
    operator = live(person("/events"))
    tick(operator, 1001).check()
    fail_orders(shop, 1)
    expect(tick(operator, 1003)).not_to_be_checked()
    expect(tick(operator, 1001)).to_be_checked()
    expect(tick(operator, 1001)).to_be_focused()
    expect(tick(operator, 1002)).not_to_be_checked()
    shop.request("DELETE", "/fault/billing")
    operator.get_by_role("button", name="Replay the chosen").click()
    expect(operator.get_by_text("1 delivery is on the way again.")).to_be_visible()


def test_a_row_that_moves_keeps_tick_and_focus(shop: Server, person: Open) -> None:
    """A failure that fails again becomes the newest, the first of its list."""
    fail_orders(shop, 3)
    operator = live(person("/events"))
    expect(tick(operator, 1003)).to_be_visible()
    tick(operator, 1001).check()
    replay(shop, 1001)
    expect(operator.locator("#failures tbody tr").first).to_contain_text("order 1001")
    expect(tick(operator, 1001)).to_be_checked()
    expect(tick(operator, 1001)).to_be_focused()


def test_a_row_that_vanishes_leaves_the_focus_at_its_place(shop: Server, person: Open) -> None:
    """The row behind it is focused, none of whose fields a key would change; Tab goes on there."""
    fail_orders(shop, 3)
    operator = live(person("/events"))
    tick(operator, 1002).focus()
    shop.request("DELETE", "/fault/billing")
    replay(shop, 1002)
    expect(tick(operator, 1002)).to_have_count(0)
    expect(operator.locator("#failures tbody tr").filter(has_text="order 1001")).to_be_focused()
    operator.keyboard.press("Tab")
    expect(tick(operator, 1001)).to_be_focused()


def test_details_stay_open(shop: Server, person: Open) -> None:
    """With the reason typed in them, while the rest of the page changes."""
    customer = live(person(f"/orders/{order_by_http(shop, {'pencil-hb': 1})['link']}"))
    customer.get_by_text("Cancel this order").click()
    customer.get_by_label("Reason").fill("too late")
    assert shop.request("PATCH", "/order/1001", {"customer_name": "Grace"})[0] == 200
    expect(customer.locator("#facts")).to_contain_text("Grace")
    expect(customer.get_by_role("button", name="Cancel order 1001")).to_be_visible()
    expect(customer.get_by_label("Reason")).to_have_value("too late")
    expect(customer.get_by_label("Reason")).to_be_focused()


def test_a_form_that_nobody_has_touched_follows(shop: Server, person: Open) -> None:
    """With its version, so that a change of the order as it is now is saved."""
    order_by_http(shop, {"pencil-hb": 1, "eraser": 1}, "Ada")
    clerk = live(person("/desk/1001/edit"))
    lines = [{"product": "eraser", "quantity": 3}]
    shop.request("PATCH", "/order/1001", {"customer_name": "Grace", "items": lines})
    expect(clerk.get_by_label("Name")).to_have_value("Grace")
    expect(clerk.get_by_label("Product, line 1")).to_have_value("eraser")
    expect(clerk.get_by_label("Product, line 2")).to_have_value("")
    clerk.get_by_label("Quantity, line 1").fill("4")
    clerk.get_by_role("button", name="Save").click()
    expect(clerk.get_by_text(HAS_CHANGED)).to_have_count(0)
    expect(clerk.locator("#facts")).to_contain_text("3.60 EUR")
    assert shop.request("GET", "/order/1001")[1]["customer_name"] == "Grace"


def test_a_touched_form_says_that_the_order_has_changed(shop: Server, person: Open) -> None:
    """Typed text, focus and caret stay, other fields follow, and a link loads the order."""
    order_by_http(shop, {"pencil-hb": 1}, "Ada")
    clerk = live(person("/desk/1001/edit"))
    email = clerk.get_by_label("E-mail")
    email.fill("ada@example.org")
    email.press("Home")
    email.press("ArrowRight")
    clerk.evaluate(WATCH_LIVE_REGIONS)
    shop.request("PATCH", "/order/1001", {"customer_name": "Grace"})
    expect(clerk.get_by_text(f"The order {HAS_CHANGED}")).to_be_visible()
    expect(clerk.get_by_label("Name")).to_have_value("Grace")
    expect(email).to_be_focused()
    email.press("x")
    expect(email).to_have_value("axda@example.org")
    shop.request("PATCH", "/order/1001", {"customer_name": "Mary"})
    expect(clerk.get_by_label("Name")).to_have_value("Mary")
    assert len(clerk.evaluate("document.announcements")) == 1
    clerk.get_by_role("link", name="load it").click()
    expect(email).to_have_value("")
    expect(clerk.get_by_text(HAS_CHANGED)).to_have_count(0)


def test_a_stale_form_is_refused(shop: Server, person: Open) -> None:
    """Saving what was typed over another person's change is 412, as without JavaScript."""
    order_by_http(shop, {"pencil-hb": 1, "eraser": 1}, "Ada")
    clerk = live(person("/desk/1001/edit"))
    clerk.get_by_label("Quantity, line 2").fill("7")
    shop.request("PATCH", "/order/1001", {"items": [{"product": "eraser", "quantity": 3}]})
    expect(clerk.get_by_text(HAS_CHANGED)).to_be_visible()
    expect(clerk.get_by_label("Product, line 1")).to_have_value("pencil-hb")
    expect(clerk.get_by_label("Product, line 2")).to_have_value("eraser")
    clerk.get_by_role("button", name="Save").click()
    expect(clerk.get_by_text("This has changed meanwhile.").first).to_be_visible()
    expect(clerk.get_by_label("Quantity, line 2")).to_have_value("7")
    assert shop.request("GET", "/order/1001")[1]["items"][0]["quantity"] == 3


def test_a_touched_form_that_is_gone_stays(shop: Server, person: Open) -> None:
    """An order that is cancelled has no form any more; what was typed can still be copied."""
    order_by_http(shop, {"pencil-hb": 1}, "Ada")
    typing, reading = live(person("/desk/1001/edit")), live(person("/desk/1001/edit"))
    typing.get_by_label("E-mail").fill("ada@example.org")
    shop.request("POST", "/order/1001/cancel", {})
    for page in (typing, reading):
        expect(page.locator("#title")).to_contain_text("cancelled")
    expect(reading.get_by_role("button", name="Save")).to_have_count(0)
    expect(typing.get_by_label("E-mail")).to_have_value("ada@example.org")
    expect(typing.get_by_text(HAS_CHANGED)).to_be_visible()


def test_what_is_looked_at_does_not_move(shop: Server, person: Open) -> None:
    """New orders come in above it; the scroll position follows them, and nothing is replaced."""
    for _ in range(12):
        order_by_http(shop, {"pencil-hb": 1})
    clerk = live(person("/desk", viewport={"width": 1000, "height": 300}))
    row = clerk.get_by_role("row").filter(has=clerk.get_by_role("link", name="1004"))
    row.evaluate("(row) => { row.scrollIntoView({block: 'center'}); document.row = row; }")
    before = row.bounding_box()
    for _ in range(2):
        order_by_http(shop, {"pencil-hb": 1})
    expect(clerk.get_by_role("link", name="1014")).to_be_attached()
    assert before
    assert row.bounding_box() == pytest.approx(before, abs=2)
    assert row.evaluate("(row) => row === document.row")


def test_a_change_during_a_refresh_is_not_lost(shop: Server, person: Open) -> None:
    """The response under way has the first order only; the page requests itself once more."""
    clerk = live(person("/desk"))
    held: list[Route] = []

    def hold_first(route: Route) -> None:
        if held:
            route.continue_()
            return
        held.append(route)
        response = route.fetch()
        order_by_http(shop, {"pencil-hb": 1}, "Second")
        route.fulfill(response=response)

    clerk.route("**/desk", hold_first)
    order_by_http(shop, {"pencil-hb": 1}, "First")
    for name in ("First", "Second"):
        expect(clerk.get_by_role("row").filter(has_text=name)).to_contain_text("confirmed")


def test_a_refreshed_page_is_as_the_server_renders_it(shop: Server, person: Open) -> None:
    """Whatever comes, goes, moves and changes, with keys and without."""
    clerk, random = live(person("/desk")), Random(7)
    rendered = [""]
    clerk.route("**/desk", lambda route: route.fulfill(body=rendered[0], content_type="text/html"))
    for _ in range(80):
        main = random_children(random, 0)
        rendered[0] = f'<title>Desk</title><main id="main" data-live>{main}</main>'
        assert clerk.evaluate(IS_AS_RENDERED, rendered[0]) is True


def random_children(random: Random, depth: int) -> str:
    """Return elements and texts in any order, with keys that are unique among them."""
    keys = random.sample("abcdef", 6)
    children = []
    for _ in range(random.randint(0, 6 if depth < 3 else 0)):
        tag = random.choice(("p", "div", "b")) if depth else "div"
        key = random.choice(("", "", f' data-key="{keys[-1]}"'))
        if key:
            keys.pop()
        colour = random.choice(("", ' class="quiet"'))
        inner = random.choice(("", "one", " two ", random_children(random, depth + 1)))
        children += [f"<{tag}{key}{colour}>{inner}</{tag}>", random.choice(("", " ", "text"))]
    return "".join(children)


def test_a_page_from_the_browser_s_history_is_refreshed(shop: Server, person: Open) -> None:
    """The browser restores a page as it was; what happened since appears at once."""
    clerk = live(person("/desk"))
    with clerk.expect_response("**/desk"):
        clerk.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")


def test_the_version_of_a_form_is_not_restored(shop: Server, person: Open) -> None:
    """After Back a form has the version that the server just sent, not one from before."""
    order_by_http(shop, {"pencil-hb": 1}, "Ada")
    clerk = live(person("/desk/1001/edit"))
    shop.request("PATCH", "/order/1001", {"customer_name": "Grace"})
    expect(clerk.get_by_label("Name")).to_have_value("Grace")
    clerk.goto("/desk")
    shop.request("PATCH", "/order/1001", {"customer_name": "Mary"})
    clerk.go_back()
    expect(clerk.get_by_label("Name")).to_have_value("Mary")
    clerk.get_by_label("Name").fill("Emmy")
    clerk.get_by_role("button", name="Save").click()
    expect(clerk.locator("#facts")).to_contain_text("Emmy")


def test_a_stream_that_is_resumed_is_no_news(shop: Server, person: Open) -> None:
    """The server ends each stream after a while; the page does not say that it was lost."""
    clerk = person("/sign-in")
    clerk.route("**/live?*", lambda route: route.fulfill(
        content_type="text/event-stream", body="retry: 10\n\n"), times=3)  # fmt: skip
    clerk.goto("/desk")
    clerk.evaluate(WATCH_LIVE_REGIONS)
    live(clerk)
    order_by_http(shop, {"pencil-hb": 1}, "Ada")
    expect(clerk.get_by_role("row").filter(has_text="Ada")).to_contain_text("confirmed")
    assert set(clerk.evaluate("document.announcements")) <= {"· live"}


def test_screen_readers_are_told_what_matters_only(shop: Server, person: Open) -> None:
    """The customer's heading when it changes, with why the order ended; no refresh as such."""
    order = order_by_http(shop, {"pencil-hb": 1}, "Ada")
    customer = live(person(f"/orders/{order['link']}"))
    expect(customer.get_by_role("heading", level=1)).to_contain_text("reserved for you")
    customer.evaluate(WATCH_LIVE_REGIONS)
    shop.request("PATCH", "/order/1001", {"customer_name": "Grace"})
    expect(customer.locator("#facts")).to_contain_text("Grace")
    assert customer.evaluate("document.announcements") == []
    shop.request("POST", "/order/1001/cancel", {})
    expect(customer.locator("#facts")).to_contain_text("refunded")
    announced = customer.evaluate("[...new Set(document.announcements)]")
    assert announced
    assert all(text.startswith("This order was cancelled.") for text in announced)


@pytest.mark.parametrize(("motion", "moves"), [("no-preference", True), ("reduce", False)])
def test_new_rows_are_highlighted(shop: Server, person: Open, motion: str, moves: bool) -> None:
    """For three seconds, whatever else changes; not at all for people who prefer less motion."""
    order_by_http(shop, {"pencil-hb": 1}, "Ada")
    clerk = live(person("/desk", reduced_motion=motion))
    for name in ("Grace", "Mary"):
        order_by_http(shop, {"pencil-hb": 1}, name)
        expect(clerk.get_by_role("row").filter(has_text=name)).to_be_visible()
    row = clerk.get_by_role("row").filter(has_text="Grace").locator("td").first
    assert bool(row.evaluate("(cell) => cell.getAnimations().length")) == moves
