"""Text that strangers type into the shop's pages, and that mails carry to the address they give."""

import pytest
from flask.testing import FlaskClient

from app.auth.keys import create_key
from app.server.runtime import Runtime
from app.web.customer.public_text import has_address
from tests.transactions import transaction
from tests.web.page import Page

LINK = "see evil-shop.com/prize"
RULE = "must not have a web or e-mail address in it; put a space after a dot."

ADDRESSES = [
    *("Win at https://evil.example", "WWW.evil", LINK, "it.is free.com", "http:evil.com"),
    *("win-money.com", "http://x", "www.x.y", "evil.shop/now", "mailto:x@y.z", "EVIL.COM."),
    *("ada@example.org", "(evil.xyz)", "see:evil.com", ".evil.com", "evil.com_", "evil.zip-"),
    *("192.0.2.1/pay", r"\\evil\share", "hxxp://evil"),
    # in other scripts, or in the encoded form (IDNA); with the punctuation of the text around them
    *(
        "bücher.de",
        "пример.онлайн",
        "उदाहरण.भारत",
        "evil.рф!",
        "a.xn--p1ai",
        "http://bücher.example",
    ),
    *("去evil.com看", "请看evil.com。", "例子.香港”"),
    # other letters that browsers read as a dot or a letter (UTS 46), and letters that nobody sees
    *("evil．com", "evil。com", "evil｡com", "ｅｖｉｌ.ｃｏｍ", "evil\u2024com", "http：／／evil"),
    *("evil.c\u200bom", "evil\u200d.com", "evil.\u00adcom", "w\u2060ww.evil", "evil.\ufe0fcom"),
]
NAMES = [
    *("Dr.Smith", "J.R.R. Tolkien", "St.Petersburg", "Ph.D.", "Dr. O. Smith-Jones", "J.Smith"),
    *("Ελένη Π.", "王小明", "A... B", "Mr.T", "O'Neill", "Müller-Lüdenscheidt", "M.D., Ph.D."),
    *("订错了。请取消", "नेहा\u200dजी", "ordered twice, e.g. by mistake", "at 10.30, for 12.50"),
    *("on 1.2.2026", "Smith: 2 / 3", "Ada @ Work", "U.S.A."),
]


@pytest.fixture
def clerk(runtime: Runtime, catalogue: dict[str, str]) -> dict[str, str]:
    """The headers of a clerk; a shop with a key no longer takes this machine for staff."""
    with transaction(runtime.store) as tx:
        return {"Authorization": f"Bearer {create_key(tx, 'till', 'clerk')}"}


@pytest.mark.parametrize("text", ADDRESSES)
def test_addresses_are_recognised(text: str) -> None:
    """Mail programs turn hosts, schemes and e-mail addresses into links, in every script."""
    assert has_address(text)


@pytest.mark.parametrize("text", NAMES)
def test_names_with_dots_are_no_addresses(text: str) -> None:
    """The word after the dot is no top-level domain."""
    assert not has_address(text)


@pytest.mark.usefixtures("clerk")
def test_a_stranger_cannot_order_with_a_link_as_name(client: FlaskClient) -> None:
    """422 with the rule beside the name, so the shop's mail carries no link of a stranger."""
    form = Page(client.get("/")).filled(tea="1", name=LINK, email="ada@example.org", place="1")
    page = Page(client.post("/", data=form))
    assert page.status == 422
    assert page.by_id["name-error"].strip() == f"Your name {RULE}"
    assert page.fields["name"]["value"] == LINK


def test_staff_may_name_a_customer_as_they_like(client: FlaskClient, clerk: dict[str, str]) -> None:
    """The API takes the name of a firm such as Shop.com, because strangers cannot use it."""
    order = {"customer_name": "Shop.com Ltd", "items": [{"product": "tea", "quantity": 1}]}
    assert client.post("/order", json=order, headers=clerk).status_code == 201
    assert client.post("/order", json=order).status_code == 401


@pytest.mark.usefixtures("clerk")
def test_a_name_with_a_dot_may_order(client: FlaskClient) -> None:
    """The order is placed."""
    form = Page(client.get("/")).filled(tea="1", name="Dr.Smith", place="1")
    assert client.post("/", data=form).status_code == 303


def test_a_stranger_cannot_cancel_with_a_link_as_reason(
    client: FlaskClient, clerk: dict[str, str]
) -> None:
    """422 with the rule beside the reason as typed, and the order stays."""
    form = Page(client.get("/")).filled(tea="1", name="Ada", place="1")
    address = client.post("/", data=form).headers["Location"]
    typed = Page(client.get(address)).form("/cancel").filled(reason=LINK)
    page = Page(client.post(f"{address}/cancel", data=typed))
    assert page.status == 422
    assert page.by_id["reason-error"].strip() == f"Reason {RULE}"
    assert page.fields["reason"]["value"] == LINK
    order = client.get("/order/1001", headers=clerk).get_json()
    assert order["status"] != "cancelled"
