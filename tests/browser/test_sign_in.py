"""Staff at the door: in by password or by a provider, at work as far as the role goes, and out."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from app.config import PREFIX
from tests.auth.provider_process import CLIENT_ID, CLIENT_SECRET
from tests.browser.conftest import JAR, Open, faults_of, order_by_http, people
from tests.processes.servers import ROOT, Server, free_port

pytestmark = pytest.mark.deep

PASSWORD = "correct horse battery"


@pytest.fixture
def shop(shop: Server) -> Server:
    """A shop with an order, a clerk and an operator; from now on everybody has to sign in."""
    order_by_http(shop, {"notebook-a6": 2}, "Mary Somerville")
    for name, role in (("ada", "clerk"), ("grace.hopper@example.org", "operator")):
        done = subprocess.run(
            [sys.executable, "-m", "flask", "user", "create", name, "--role", role],
            cwd=ROOT,
            env=os.environ | {f"{PREFIX}DATA": str(shop.data)},
            input=f"{PASSWORD}\n",
            capture_output=True,
            text=True,
            check=True,
        )
        assert "may sign in" in done.stdout
    return shop


def sign_in(page: Page, name: str, password: str = PASSWORD) -> None:
    """Type both, and press Enter."""
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.keyboard.press("Enter")


def test_a_clerk_signs_in_works_and_signs_out(shop: Server, person: Open) -> None:
    """The whole day: to the door and back, an order changed, /events refused, out again."""
    page = person("/desk/1001")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    sign_in(page, "ada", "a wrong password")
    expect(page.get_by_role("alert")).to_have_text("The name or the password is wrong.")
    expect(page.get_by_label("Name")).to_have_value("ada")
    sign_in(page, "ada")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Order 1001")

    page.get_by_label("Quantity, line 1").fill("3")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("dt", has_text="Changed by").locator("+ dd")).to_contain_text("ada")

    expect(page.get_by_role("navigation").get_by_role("link")).to_have_text(
        ["Desk", "Shipping", "Mail"]
    )
    page.goto("/events")
    expect(page.get_by_role("heading", name="Forbidden")).to_be_visible()
    expect(page.get_by_text("you are signed in as ada (clerk)")).to_be_visible()
    page.get_by_role("link", name="To the desk").click()
    expect(page.get_by_role("heading", name="Desk")).to_be_visible()

    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()
    page.go_back()
    page.goto("/desk")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_signing_out_everywhere_closes_pages_that_are_open(shop: Server, person: Open) -> None:
    """A desk that was left open elsewhere goes to the door by itself when something happens."""
    left_open, here = person("/desk"), person("/desk")
    for page in (left_open, here):
        sign_in(page, "ada")
        expect(page.get_by_text("· live")).to_be_visible()
    here.get_by_role("link", name="Signed in as ada").click()
    expect(here.get_by_text("2 places")).to_be_visible()
    here.get_by_role("button", name="Sign out everywhere").click()
    expect(here.get_by_text("You are signed out.")).to_be_visible()
    customer = person("/")
    customer.get_by_label("Pocket notebook A6, ruled").fill("1")
    customer.get_by_label("Your name").fill("Annie")
    customer.get_by_role("button", name="Place order").click()
    expect(left_open.get_by_role("heading", name="Sign in")).to_be_visible()


def test_the_door_opens_without_javascript(shop: Server, person: Open) -> None:
    """As every page."""
    page = person("/desk", java_script_enabled=False)
    sign_in(page, "ada")
    expect(page.get_by_role("heading", name="Desk")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()


def test_the_markup_of_the_door_is_sound(
    shop: Server, person: Open, java: str, tmp_path: Path
) -> None:
    """By the W3C's checker: the form, what it says of a mistake, who is signed in, a refusal."""
    page = person("/sign-in")
    files = [tmp_path / f"{name}.html" for name in ("form", "mistake", "signed-in", "refused")]
    files[0].write_text(_source(page))
    sign_in(page, "ada", "a wrong password")
    expect(page.get_by_role("alert")).to_be_visible()
    files[1].write_text(page.content())
    sign_in(page, "ada")
    expect(page.get_by_role("heading", name="Desk")).to_be_visible()
    for file, path in zip(files[2:], ("/sign-in", "/events"), strict=True):
        page.goto(path)
        file.write_text(_source(page))
    command: list[str | Path] = [java, "-jar", JAR, "--errors-only", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def _source(page: Page) -> str:
    """The page as the server wrote it, for this browser."""
    return str(page.evaluate("() => fetch(location.href).then((answer) => answer.text())"))


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("size", [(320, 640), (1920, 1080)], ids=["small", "large"])
def test_the_door_is_fit_for_everybody(
    shop: Server, person: Open, size: tuple[int, int], colours: str
) -> None:
    """The form, what it says of a mistake, the bar with a long name, and a page that is refused."""
    viewport = {"width": size[0], "height": size[1]}
    page = person("/desk", viewport=viewport, color_scheme=colours)
    found = [faults_of(page)]
    sign_in(page, "grace.hopper@example.org", "a wrong password")
    expect(page.get_by_role("alert")).to_be_visible()
    found.append(faults_of(page))
    sign_in(page, "grace.hopper@example.org")
    expect(page.get_by_role("heading", name="Desk")).to_be_visible()
    found.append(faults_of(page))
    page.goto("/sign-in")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Signed in as grace.hopper")
    found.append(faults_of(page))
    page.get_by_role("button", name="Sign out here").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()
    found.append(faults_of(page))
    page.goto("/events")
    sign_in(page, "ada")
    expect(page.get_by_role("heading", name="Forbidden")).to_be_visible()
    found.append(faults_of(page))
    assert found == [[]] * 6


@pytest.fixture
def provider() -> Iterator[tuple[str, int]]:
    """A running provider's address, and the port on which it expects the shop."""
    port = free_port()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.auth.provider_process"),
            f"http://127.0.0.1:{port}/sign-in/back",
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    yield process.stdout.readline().strip(), port
    process.kill()
    process.communicate()


@pytest.fixture
def visitor(browser: Browser, tmp_path: Path, provider: tuple[str, int]) -> Iterator[Open]:
    """As `person`, in a shop whose people that provider signs in."""
    issuer, port = provider
    client = {"OIDC_CLIENT_ID": CLIENT_ID, "OIDC_CLIENT_SECRET": CLIENT_SECRET}
    shop = Server(tmp_path / "data", OIDC_ISSUER=issuer, OIDC_ROLES="owners=operator", **client)
    shop.port = port
    try:
        yield from people(browser, shop.start())
    finally:
        shop.kill()


def test_a_provider_signs_somebody_in(visitor: Open) -> None:
    """A real browser goes there and comes back with its cookies, under our own policy."""
    page = visitor("/events")
    assert faults_of(page) == []
    page.get_by_role("link", name="Sign in with your organisation").click()
    expect(page.get_by_role("heading", name="Events")).to_be_visible()
    expect(page.get_by_role("link", name="Signed in as grace")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()
