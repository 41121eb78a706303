"""A browser, a shop with the sample catalogue, and people who look at its pages.

Without a chromium these tests are skipped, but for CI, which sets BROWSER_TESTS=required.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.processes.servers import Server, wait_for

CARRIER_SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PATIENCE_MS = 60_000

HOSTILE = (
    "<img src=x onerror=alert(1)> \"'><script>alert(2)</script> {{ 7 * 7 }} "
    "\u202e\u0645\u0631\u062d\u0628\u0627"
)

AXE_OPTIONS = {"preload": False, "resultTypes": ["violations"]}
"""Without reading style sheets by script, which the pages refuse; no rule that is used needs it.

Without describing every element that passes, which takes longer than the rules.
"""

COLOUR_RULES = {"runOnly": ["color-contrast", "link-in-text-block"]}
"""The rules of axe that dark colours can break, as an option."""

SERIOUS = ("serious", "critical")
SHIFTS = """() => new Promise((done) => {
  const observer = new PerformanceObserver(() => {});
  observer.observe({type: "layout-shift", buffered: true});
  const unasked = () => observer.takeRecords().filter((each) => !each.hadRecentInput);
  setTimeout(() => done(unasked().reduce((sum, each) => sum + each.value, 0)), 300);
})"""
"""How much the page has jumped since it was loaded (W3C Layout Instability)."""

JAR = Path(__file__).parents[1] / "clients/node_modules/vnu-jar/build/dist/vnu.jar"

Open = Callable[..., Page]

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's chromium, headless."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        assert os.environ.get("BROWSER_TESTS") != "required", "there is no chromium"
        pytest.skip("there is no chromium")
    with sync_playwright() as playwright:
        # CI is root in a container, where chromium's own sandbox cannot be had
        browser = playwright.chromium.launch(executable_path=program, chromium_sandbox=False)
        yield browser
        browser.close()


@pytest.fixture
def java() -> str:
    """The program that runs the HTML checker."""
    program = shutil.which("java")
    if program is None or not JAR.exists():
        assert os.environ.get("BROWSER_TESTS") != "required", "there is no java, or no vnu-jar"
        pytest.skip("there is no java, or no vnu-jar")
    return program


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """A function that starts a shop with settings: serve(THREADS="3")."""
    servers: list[Server] = []

    def start(**settings: str) -> Server:
        usual = {"FAULTS": "on", "CARRIER_SECRET": CARRIER_SECRET, "RETRY_WAIT": "0.01"}
        server = Server(tmp_path / "data", **usual | settings)
        servers.append(server)
        return server.start()

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def shop(serve: Callable[..., Server]) -> Server:
    """A shop with two workers and the sample catalogue."""
    return serve()


@pytest.fixture
def person(browser: Browser, shop: Server) -> Iterator[Open]:
    """A function that opens an address in a browser of its own: person("/desk")."""
    yield from people(browser, shop)


def people(browser: Browser, shop: Server) -> Iterator[Open]:
    """Yield a function like `person` for any shop; a console error of a page fails the test."""
    contexts = []
    complaints: list[str] = []

    def open_page(path: str, **options: object) -> Page:
        context = browser.new_context(base_url=f"http://127.0.0.1:{shop.port}", **options)  # type: ignore[arg-type]  # as new_context says
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
        page.on("dialog", lambda dialog: complaints.append(f"{page.url}: {dialog.message}"))
        page.on(
            "console", lambda said: complaints.append(said.text) if _is_bad(said.text) else None
        )
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def _is_bad(text: str) -> bool:
    """Whether a console message is a page's own error; a lost connection is not."""
    return "Content Security Policy" in text or "Uncaught" in text


def order_by_http(shop: Server, quantities: dict[str, int], name: str = "Ada") -> dict[str, object]:
    """Place an order through the API: order_by_http(shop, {"pencil-hb": 2})."""
    lines = [{"product": sku, "quantity": quantity} for sku, quantity in quantities.items()]
    status, order = shop.request("POST", "/order", {"customer_name": name, "items": lines})
    assert status == 201, order
    found: dict[str, object] = order
    return found


@pytest.fixture
def pages(shop: Server) -> list[str]:
    """The addresses of every page of a shop that has hostile text everywhere."""
    product = {"sku": 'n<b>"', "name": HOSTILE[:190], "price": "1.00", "quantity": 9}
    assert shop.request("POST", "/product", product)[0] == 201
    order = order_by_http(shop, {'n<b>"': 2}, HOSTILE)
    wait_for("a shipment is ready", lambda: _shipments(shop))
    shop.request("PUT", "/fault/billing", {"mode": "reject"})
    place = {"name": HOSTILE, "lines": [HOSTILE[:100]] * 3, "city": HOSTILE[:100], "country": "VA"}
    changes = {"customer_email": "ada@example.org", "shipping_address": place}
    assert shop.request("PATCH", "/order/1001", changes)[0] == 200
    webhook = {"url": "https://receiver.invalid/", "types": ["order.*"], "description": HOSTILE}
    webhook_id = shop.request("POST", "/webhook", webhook)[1]["webhook_id"]
    return [
        "/", f"/orders/{order['link']}", "/desk", "/desk/1001", "/desk/1001/delete",
        "/desk/1001/forget", "/desk/1001/edit", "/desk?find=nobody",
        "/desk/chosen/receipts?order=1001&order=7",
        "/desk/chosen/packing-lists?order=1001&order=7", "/desk/chosen/cancel?order=1001&order=7",
        "/stock", "/stock/n%3Cb%3E%22", "/shipping",
        "/stock-import",
        "/shipping/list", "/shipping/chosen?order=1001&order=7", f"/shipping/{order['order_id']}",
        "/mail", "/events", "/flow", "/flow/journal", "/flow/failure.json",
        "/flow/code/billing", "/overview", "/webhooks", f"/webhooks/{webhook_id}", "/orders/none",
        "/docs",
    ]  # fmt: skip


def _shipments(shop: Server) -> object:
    return shop.request("GET", "/shipment?state=ready")[1]["shipments"]


def violations(page: Page, options: Mapping[str, object]) -> list[str]:
    """Return the serious violations that axe finds on the page as displayed, with its options."""
    return [
        f"{each['id']}: {each['nodes'][0]['html'][:120]}"
        for each in Axe().run(page, options={**AXE_OPTIONS, **options}).response["violations"]
        if each["impact"] in SERIOUS
    ]


def problems_of(page: Page) -> list[str]:
    """Return what is wrong with the page as displayed, its colours included."""
    page.wait_for_load_state("load")
    found = violations(page, {})
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        found.append("runs over")
    if (shift := page.evaluate(SHIFTS)) > 0.01:
        found.append(f"jumps by {shift:.3f}")
    return found
