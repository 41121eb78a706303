"""`make screenshots`: takes the README's pictures in docs/, of a shop with some orders."""

import shutil
import sys
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, expect, sync_playwright

from tests.processes.servers import ROOT, Server, wait_for

NAMES = (
    "Ada Lovelace", "Grace Hopper", "Mary Somerville", "José García", "Zoë Müller",
    "Annie Cannon", "Emmy Noether", "Olena Koval", "Sofia Brahe", "Fatima al-Fihri",
)  # fmt: skip
SKUS = ("notebook-a5", "notebook-a6", "pencil-hb", "ink-blue", "eraser", "desk-lamp", "sharpener")
ORDERS = 24


def main() -> None:
    """Start a shop in a temporary folder, fill it, take the pictures."""
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        program = shutil.which("chromium") or sys.exit("there is no chromium")
        shop = Server(Path(folder) / "data").start()
        try:
            _fill(shop)
            browser = playwright.chromium.launch(executable_path=program, chromium_sandbox=False)
            _draw(browser, shop, "/", "shop")
            _draw(browser, shop, "/desk", "desk")
            browser.close()
        finally:
            shop.stop()


def _fill(shop: Server) -> None:
    random = Random(7)
    for place in range(ORDERS):
        lines = [
            {"product": sku, "quantity": random.randint(1, 3)}
            for sku in random.sample(SKUS, random.randint(1, 3))
        ]
        name = NAMES[place % len(NAMES)]
        shop.request("POST", "/order", {"customer_name": name, "items": lines})
    shop.request("POST", "/order/1009/cancel", {"reason": "ordered twice"})
    wait_for("the orders are dealt with", lambda: _counted(shop, "placed") == 0)
    for number in (1001, 1002, 1003, 1005, 1007):
        parcel = {"carrier": "DHL", "tracking_number": f"JD{number}"}
        shop.request("POST", f"/shipment/{number}/ship", parcel)
    wait_for("the parcels are on their way", lambda: _counted(shop, "shipped") > 0)


def _counted(shop: Server, status: str) -> int:
    return len(shop.request("GET", f"/order?status={status}")[1]["orders"])


def _draw(browser: Browser, shop: Server, path: str, name: str) -> None:
    page = browser.new_page(viewport={"width": 1120, "height": 760})
    page.goto(f"http://127.0.0.1:{shop.port}{path}")
    expect(page.get_by_text("· live")).to_be_attached()
    if path == "/":
        page.get_by_label("Day book 2027").fill("1")
        page.get_by_label("Envelopes C5").fill("2")
        page.get_by_label("Your name").fill("Ada Lovelace")
        page.keyboard.press("Tab")
    page.screenshot(path=ROOT / "docs" / f"{name}.png")
    page.close()


if __name__ == "__main__":
    main()
