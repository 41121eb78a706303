"""Injection: names, ids and headers stay text, and paths lead nowhere else."""

import csv
import io
import logging
import re
from email import policy
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from markupsafe import escape

from tests.attacks.conftest import Attack, Scene, refused, wait_until_delivered
from tests.over_http import body, request_for

PATHS: dict[str, str] = {
    "an order above the folder": "/order/..%2F..%2Fetc%2Fpasswd",
    "an order with dots": "/order/../../../etc/passwd",
    "an order as a file": "/order/%2e%2e%2f%2e%2e%2fkeys.json",
    "an order with a NUL": "/order/1001%00.json",
    "a receipt above the folder": "/order/..%2F..%2Fx/receipt.pdf",
    "a shipment as a file": "/shipment/..%2Fusers.json",
    "a failure as a path": "/failure/..%2F..%2Fkeys/discard",
    "an event as a path": "/events/..%2F..%2Fusers.json",
    "a mail above its folder": "/mail/..%2F..%2Fusers.json",
    "a mail by dots": "/mail/..",
    "a mail by backslashes": "/mail/..%5C..%5Cusers.json",
    "a mail with a NUL": "/mail/x%00",
    "a mail in another folder": "/mail/cur%2Fx",
    "a mail's body above its folder": "/mail/..%2F..%2Fusers.json/body",
    "a static file above": "/static/..%2F..%2F__init__.py",
    "a static file by dots": "/static/../../../etc/passwd",
    "a static file, absolute": "/static//etc/passwd",
    "a file of the docs above": "/docs/..%2F..%2F__init__.py",
    "a customer's link as a path": "/orders/..%2F..%2Fkeys.json",
    "a very long id": "/order/" + "a" * 5000,
    "an id in other digits": "/order/\u0661\u0660\u0660\u0661",
    "an id that is a number and more": "/order/1001.0",
    "an id with a sign": "/order/+1001",
    "an id with spaces": "/order/%201001%20",
    "an id with a line feed": "/order/1001%0d%0aSet-Cookie:%20a=b",
}


@pytest.mark.parametrize("path", PATHS)
def test_no_path_leads_out_of_the_data_folder(shop: Scene, path: str) -> None:
    """404 as for any unknown path, for an operator; 405 where only POST is allowed."""
    headers = shop.as_key("operator")
    response = refused(shop, lambda shop: shop.client.get(PATHS[path], headers=headers), 404, 405)
    assert "root:" not in response.text and "$argon2id" not in response.text
    assert "a=b" not in response.headers.get("Set-Cookie", "")


NAMES = {
    "HTML": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "an attribute": '" onmouseover="alert(1)" x=\'',
    "a template": "{{ 7 * 7 }} {% include 'keys' %} ${7*7} #{7*7}",
    "a style": "</style><style>body{display:none}</style>",
    "a comment": "--> <!-- ]]>",
    "a formula": '=HYPERLINK("http://evil.example","x")',
    "a formula with plus": "+cmd|' /C calc'!A0",
    "a formula with at": "@SUM(1+1)*cmd|' /C calc'!A0",
    "a formula with minus": "-2+3+cmd|' /C calc'!A0",
    "a quote and a comma": 'Ada", "Eve',
    "a path": "../../../../etc/passwd",
    "SQL": "'; DROP TABLE orders; --",
    "PDF operators": "(x) Tj ET Q /JS (app.alert(1)) BT \\) endstream",
    "markup of PDFs": "**bold** __underline__ <b>x</b> [link](http://evil.example)",
    "right to left": "\u202egnp.exe",
    "an ANSI sequence as text": "\\x1b[31mred",
    "JSON": '"},{"role":"operator"},{"x":"',
    "a format": "%s%s%n {0.__class__} %(password)s",
}


@pytest.fixture(scope="module")
def named(shop: Scene) -> dict[str, dict[str, Any]]:
    """An order for each name, as the response has it."""
    orders = {}
    for title, name in NAMES.items():
        wanted = request_for(name, tea=1) | {"customer_email": "ada@example.org"}
        response = shop.call("clerk", "POST", "/order", wanted)
        assert response.status_code == 201, response.text
        orders[title] = response.get_json()
    return orders


@pytest.mark.parametrize("title", NAMES)
def test_a_name_is_text_in_json(shop: Scene, named: dict[str, Any], title: str) -> None:
    """The response has the name as it was sent."""
    got = body(shop.call("clerk", "GET", f"/order/{named[title]['number']}"))
    assert got["customer_name"] == NAMES[title]


@pytest.mark.parametrize("title", NAMES)
def test_a_name_is_text_in_pages(shop: Scene, named: dict[str, Any], title: str) -> None:
    """It is escaped at the desk and on the customer's page."""
    for path in (f"/desk/{named[title]['number']}", f"/orders/{named[title]['link']}"):
        page = shop.client.get(path, headers=shop.as_user("clerk")).text
        for part in ("<script>alert", "<img src=x", ' onmouseover="alert', "<style>body"):
            assert part not in page
        assert str(escape(NAMES[title])) in page


@pytest.mark.parametrize("title", NAMES)
def test_a_name_is_text_in_a_spreadsheet(shop: Scene, named: dict[str, Any], title: str) -> None:
    """It is one cell, and never a formula."""
    headers = shop.as_key("clerk") | {"Accept": "text/csv"}
    lines = list(csv.reader(io.StringIO(shop.client.get("/order", headers=headers).text)))
    place = lines[0].index("customer_name")
    found = [line[place] for line in lines[1:] if line[0] == named[title]["order_id"] or
             str(named[title]["number"]) in line]  # fmt: skip
    assert len(found) == 1 and found[0].lstrip("'") == NAMES[title].lstrip("'")
    assert not found[0].startswith(("=", "+", "-", "@", "\t", "\r"))
    assert {len(line) for line in lines} == {len(lines[0])}


@pytest.mark.parametrize("title", NAMES)
def test_a_name_is_text_in_a_receipt(shop: Scene, named: dict[str, Any], title: str) -> None:
    """The PDF has no link, script or action."""
    number = named[title]["number"]
    _wait_for_payment(shop, number)
    pdf = shop.call("clerk", "GET", f"/order/{number}/receipt.pdf").data
    assert not any(word in pdf for word in (b"/JavaScript", b"/JS", b"/Launch", b"/AA", b"/URI"))
    assert re.findall(rb"/OpenAction (\S)", pdf) in ([], [b"["])  # where to look first, no action
    document = pypdfium2.PdfDocument(pdf)
    text = "".join(page.get_textpage().get_text_range() for page in document)
    assert "evil.example" in text if "evil.example" in NAMES[title] else text
    document.close()


@pytest.mark.parametrize("title", NAMES)
def test_a_name_is_text_in_mail(shop: Scene, named: dict[str, Any], title: str) -> None:
    """It adds no header and no recipient, and is escaped in the HTML part."""
    _wait_for_payment(shop, named[title]["number"])
    messages = [
        BytesParser(policy=policy.default).parsebytes(path.read_bytes())
        for path in _mails(shop.runtime.config.data)
    ]
    mine = [each for each in messages if str(named[title]["number"]) in str(each["Subject"])]
    assert mine
    for message in mine:
        assert message["To"] == "ada@example.org"
        assert message["Bcc"] is None and message["Cc"] is None
        assert all(len(message.get_all(each, [])) == 1 for each in ("From", "To", "Subject"))
        html = message.get_body(("html",))
        assert html is not None and "<script>alert" not in html.get_content()


HEADERS_IN_FIELDS: dict[str, Attack] = {
    "a header in the name": lambda shop: _place(shop, customer_name="Ada\r\nBcc: eve@evil.example"),
    "a line feed in the name": lambda shop: _place(shop, customer_name="Ada\nX: y"),
    "a header in the address": lambda shop: _place(
        shop, customer_email="ada@example.org\r\nBcc: eve@evil.example"
    ),
    "two addresses": lambda shop: _place(shop, customer_email="a@example.org, eve@evil.example"),
    "a name and an address": lambda shop: _place(shop, customer_email="Ada <ada@example.org>"),
    "an address with a comment": lambda shop: _place(shop, customer_email="(x)ada@example.org\x00"),
    "ANSI in the name": lambda shop: _place(shop, customer_name="\x1b[31mred\x1b[0m"),
    "a NUL in the name": lambda shop: _place(shop, customer_name="A\x00"),
    "half a character": lambda shop: shop.client.post(
        "/order",
        data=b'{"customer_name": "\\ud800", "items": [{"product": "tea", "quantity": 1}]}',
        headers=shop.as_key("clerk") | {"Content-Type": "application/json"},
    ),
    "a line separator": lambda shop: _place(shop, customer_name="a\u2028b"),
    "a line feed in a tracking number": lambda shop: shop.call(
        "clerk", "POST", "/shipment/1001/ship", {"carrier": "D", "tracking_number": "1\r\nX: y"}
    ),
    "a line feed in a reason": lambda shop: shop.call(
        "clerk", "POST", "/order/1001/cancel", {"reason": "a\r\nb"}
    ),
    "a line feed in a sku": lambda shop: shop.call(
        "manager", "POST", "/product", {"sku": "a\nb", "name": "x", "price": "1.00"}
    ),
}


@pytest.mark.parametrize("attack", HEADERS_IN_FIELDS)
def test_no_field_accepts_more_than_one_line(shop: Scene, attack: str) -> None:
    """422 for line breaks, which could become a header, a log line or a terminal command."""
    refused(shop, HEADERS_IN_FIELDS[attack], 422)


@pytest.mark.parametrize(
    "path",
    ["/order/%0d%0aERROR%20forged", "/desk/%1b%5b31m", "/order/\u2028x", "/orders/%0aforged%0a"],
)
def test_no_request_adds_a_line_to_the_log(
    shop: Scene, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    """A log record stays one line, whatever the path and the headers have."""
    with caplog.at_level(logging.DEBUG):
        shop.client.get(path, headers=shop.as_key("clerk") | {"User-Agent": "a\tb\x1b[31m"})
    for record in caplog.records:
        assert not set(record.getMessage()) & set("\r\n\x1b\u2028")


def _place(shop: Scene, **fields: str) -> Any:
    return shop.call("clerk", "POST", "/order", request_for(tea=1) | fields)


def _mails(data: Path) -> list[Path]:
    return [path for path in (data / "mail").rglob("*") if path.is_file()]


def _wait_for_payment(shop: Scene, number: int) -> None:
    wait_until_delivered(shop)
    paid = body(shop.call("clerk", "GET", f"/order/{number}"))["payment_status"]
    assert paid == "paid"
