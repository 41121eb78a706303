"""Sign-in in a real browser: by password or by a provider, work within the role, sign-out."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from app.config import PREFIX
from tests.auth.provider_process import CLIENT_ID, CLIENT_SECRET
from tests.browser.conftest import JAR, Open, order_by_http, people, problems_of
from tests.processes.servers import ROOT, Server, free_port

pytestmark = pytest.mark.deep

PASSWORD = "correct horse battery"


@pytest.fixture
def shop(shop: Server) -> Server:
    """A shop with an order, a clerk and an operator, where staff must sign in."""
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
    """Fill in both fields, and press Enter."""
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.keyboard.press("Enter")


def test_a_session_that_ends_during_an_edit_loses_nothing(shop: Server, person: Open) -> None:
    """The open page keeps what is typed, and the form is offered again after signing in."""
    page = person("/desk/1001/edit")
    sign_in(page, "ada")
    expect(page.get_by_text("· live")).to_be_visible()
    page.get_by_label("Quantity, line 1").fill("3")
    elsewhere = person("/sign-in")
    sign_in(elsewhere, "ada")
    expect(elsewhere.get_by_role("heading", name="Desk")).to_be_visible()
    elsewhere.goto("/sign-in")
    elsewhere.get_by_role("button", name="Sign out everywhere").click()
    expect(elsewhere.get_by_text("You are signed out.")).to_be_visible()

    with page.expect_response(lambda response: response.status == 401):
        customer = person("/")
        customer.get_by_label("Pencil HB, cedar").fill("1")
        customer.get_by_label("Your name").fill("Grace")
        customer.get_by_role("button", name="Place order").click()
    expect(page.locator("#connection")).to_have_text("")
    expect(page.get_by_label("Quantity, line 1")).to_have_value("3")

    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Your session has ended")).to_be_visible()
    assert problems_of(page) == []
    with page.expect_popup() as popup:
        page.get_by_role("link", name="Sign in").click()
    sign_in(popup.value, "ada")
    expect(popup.value.get_by_role("heading", name="Desk")).to_be_visible()
    page.get_by_role("button", name="Send it again").click()
    expect(page.locator("#facts")).to_contain_text("13.50 EUR")


def test_a_clerk_signs_in_works_and_signs_out(shop: Server, person: Open) -> None:
    """Redirect to sign-in and back, an order changed, /events refused, sign-out."""
    page = person("/desk/1001")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    sign_in(page, "ada", "a wrong password")
    expect(page.get_by_role("alert")).to_have_text("The name or the password is wrong.")
    expect(page.get_by_label("Name")).to_have_value("ada")
    sign_in(page, "ada")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Order 1001")

    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Quantity, line 1").fill("3")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#history")).to_contain_text("ada changed the quantity of")

    expect(page.get_by_role("navigation").get_by_role("link")).to_have_text(
        ["Desk", "Shipping", "Mail", "Flow"]
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


def test_signing_out_everywhere_affects_open_pages(shop: Server, person: Open) -> None:
    """An orders page open elsewhere goes to the sign-in page with the next change."""
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


def test_sign_in_works_without_javascript(shop: Server, person: Open) -> None:
    """The form signs in and redirects without scripts."""
    page = person("/desk", java_script_enabled=False)
    sign_in(page, "ada")
    expect(page.get_by_role("heading", name="Desk")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()


def test_the_markup_of_sign_in_is_valid(
    shop: Server, person: Open, java: str, tmp_path: Path
) -> None:
    """The W3C's checker accepts the form, an error, the signed-in page and a refusal."""
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
def test_sign_in_is_accessible(
    shop: Server, person: Open, size: tuple[int, int], colours: str
) -> None:
    """The form, an error, the bar with a long name, and a refused page."""
    viewport = {"width": size[0], "height": size[1]}
    page = person("/desk", viewport=viewport, color_scheme=colours)
    found = [problems_of(page)]
    sign_in(page, "grace.hopper@example.org", "a wrong password")
    expect(page.get_by_role("alert")).to_be_visible()
    found.append(problems_of(page))
    sign_in(page, "grace.hopper@example.org")
    expect(page.get_by_role("heading", name="Desk")).to_be_visible()
    found.append(problems_of(page))
    page.goto("/sign-in")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Signed in as grace.hopper")
    found.append(problems_of(page))
    page.get_by_role("button", name="Sign out here").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()
    found.append(problems_of(page))
    page.goto("/events")
    sign_in(page, "ada")
    expect(page.get_by_role("heading", name="Forbidden")).to_be_visible()
    found.append(problems_of(page))
    assert found == [[]] * 6


@pytest.fixture
def provider() -> Iterator[tuple[str, int]]:
    """The address of a running provider, and the port where it expects the shop."""
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
    """A browser's pages of a shop whose users sign in by that provider."""
    issuer, port = provider
    client = {"OIDC_CLIENT_ID": CLIENT_ID, "OIDC_CLIENT_SECRET": CLIENT_SECRET}
    shop = Server(tmp_path / "data", OIDC_ISSUER=issuer, OIDC_ROLES="owners=operator", **client)
    shop.port = port
    try:
        yield from people(browser, shop.start())
    finally:
        shop.kill()


def test_a_user_signs_in_by_a_provider(visitor: Open) -> None:
    """The browser goes there and returns with its cookies, under our own policy."""
    page = visitor("/events")
    assert problems_of(page) == []
    page.get_by_role("link", name="Sign in with your organisation").click()
    expect(page.get_by_role("heading", name="Events")).to_be_visible()
    expect(page.get_by_role("link", name="Signed in as grace")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()
