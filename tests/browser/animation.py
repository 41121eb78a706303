"""`make animation`: films the README's animation, docs/flow.gif, on the page /flow.

An order travels to its end. With the next one billing fails, until its delivery is in failure.json;
then it is replayed.
"""

import shutil
import sys
from base64 import b64decode
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from tests.browser.conftest import order_by_http
from tests.processes.servers import ROOT, Server

FILE = ROOT / "docs" / "flow.gif"
MAX_BYTES = 1_000_000

MAX_COLOURS = 256
"""Of the palette that all frames share."""

FRAME_S = 0.1
"""The least time that a frame stays."""

STILL_MS = 1500
"""How much longer the film shows what has just happened."""


class Frame(NamedTuple):
    """A picture of the page as PNG, and the moment at which it was drawn, in seconds."""

    at: float
    png: bytes


def main() -> None:
    """Start a shop in a temporary folder, film it, and write the file."""
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        program = shutil.which("chromium") or sys.exit("there is no chromium")
        shop = Server(Path(folder) / "data", FAULTS="on", RETRY_WAIT="1", RETRY_ATTEMPTS="3")
        shop.start()
        try:
            browser = playwright.chromium.launch(executable_path=program, chromium_sandbox=False)
            page = browser.new_page(viewport={"width": 1040, "height": 900})
            page.goto(f"http://127.0.0.1:{shop.port}/flow")
            expect(page.get_by_text("· live")).to_be_attached()
            frames = _film(page, shop)
            box = page.locator("#picture").bounding_box()
            browser.close()
        finally:
            shop.stop()
    assert box
    left, top = int(box["x"]), int(box["y"])
    _write(frames, (left, top, left + int(box["width"]), top + int(box["height"])))


def _film(page: Page, shop: Server) -> list[Frame]:
    """Play the story, and return its frames: the last one of each FRAME_S in which any was drawn.

    Chromium sends a frame whenever the page looks different, not always in order.
    """
    frames: list[Frame] = []
    chromium = page.context.new_cdp_session(page)

    def keep(frame: dict[str, Any]) -> None:
        frames.append(Frame(frame["metadata"]["timestamp"], b64decode(frame["data"])))
        chromium.send("Page.screencastFrameAck", {"sessionId": frame["sessionId"]})

    chromium.on("Page.screencastFrame", keep)
    chromium.send("Page.startScreencast", {"format": "png"})
    shipping, boxes = page.locator("#box-shipping"), page.locator("#boxes")
    still = partial(page.wait_for_timeout, STILL_MS)
    still()
    order_by_http(shop, {"pencil-hb": 1})
    expect(shipping).to_contain_text("2 done")
    expect(page.locator("#tokens [id]")).to_have_count(0)
    still()
    shop.request("PUT", "/fault/billing", {"mode": "fail"})
    order_by_http(shop, {"pencil-hb": 1})
    expect(boxes).to_contain_text("1 failure")
    still()
    shop.request("DELETE", "/fault/billing")
    shop.request("POST", "/failure/replay", {"all": True})
    expect(shipping).to_contain_text("4 done")
    expect(page.locator("#tokens [id]")).to_have_count(0)
    still()
    chromium.send("Page.stopScreencast")
    by_slot = {int(each.at / FRAME_S): each for each in sorted(frames)}
    return list(by_slot.values())


def _write(frames: Sequence[Frame], part: tuple[int, int, int, int]) -> None:
    """Write this part of the frames as a film, in which each stays until the next one."""
    pictures = [Image.open(BytesIO(each.png)).convert("RGB").crop(part) for each in frames]
    palette = Image.new("P", (1, 1))
    palette.putpalette([part for colour in _commonest_colours(pictures) for part in colour])
    drawn = [each.quantize(palette=palette, dither=Image.Dither.NONE) for each in pictures]
    ends = [*(each.at for each in frames[1:]), frames[-1].at + STILL_MS / 1000]
    stays = [round(1000 * (end - each.at)) for each, end in zip(frames, ends, strict=True)]
    drawn[0].save(FILE, save_all=True, append_images=drawn[1:], duration=stays, loop=0)
    assert FILE.stat().st_size < MAX_BYTES, f"{FILE.stat().st_size} bytes"


def _commonest_colours(pictures: Iterable[Image.Image]) -> Iterator[tuple[int, ...]]:
    """The colours of a GIF's palette: every plain area keeps its own."""
    pixels = Counter[Any]()
    for each in pictures:
        counted = each.getcolors(each.width * each.height)
        assert counted
        pixels.update({colour: count for count, colour in counted})
    return (colour for colour, _ in pixels.most_common(MAX_COLOURS))


if __name__ == "__main__":
    main()
