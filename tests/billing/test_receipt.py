"""Receipts, read with a PDF reader."""

import subprocess
import sys
from dataclasses import replace
from datetime import UTC
from itertools import pairwise
from typing import Any

import pypdfium2
import pytest
from flask.testing import FlaskClient

from app.billing.receipt import RENDERING, receipt_pdf
from app.billing.receipt_issuer import ReceiptIssuer
from app.config import Config
from app.events.types import Envelope
from app.kernel.errors import Unavailable
from tests.billing.conftest import Document, Settled
from tests.over_http import body, place, read
from tests.web.page import Page

SHOP = ReceiptIssuer("Tea & Co.", "1 Market Street, 10115 Berlin", UTC)


@pytest.fixture
def config(config: Config) -> Config:
    return replace(config, shop_name=SHOP.name, shop_address=SHOP.address, faults=True)


def pages(pdf: bytes) -> list[str]:
    """The text of each page."""
    with pypdfium2.PdfDocument(pdf) as document:
        return [page.get_textpage().get_text_bounded() for page in document]


def line(name: str, quantity: int = 1) -> Document:
    total = f"{quantity}.00"
    return {"product": "x", "name": name, "quantity": quantity, "amount": "1.00"} | {
        "line_total": total
    }


def taxed(rate: str, quantity: int) -> Document:
    """A line of pieces at 1.00 each, with this tax rate."""
    return line("Taxed", quantity) | {"tax_rate": rate}


def paid(customer: str, *lines: Document, **data: Any) -> Envelope:
    """A payment.captured event for an order of the customer with these lines."""
    total = f"{sum(each['quantity'] for each in lines)}.00"
    payment = {"payment_id": "p-1", "kind": "capture", "amount": total, "at": AT}
    order = {
        "number": 1001,
        "customer_name": customer,
        "customer_email": "ada@example.com",
        "items": list(lines),
        "currency": "EUR",
        "total_amount": total,
    }
    told = {"order": order, "payment": payment, "payments": [payment], "paid": total}
    return Envelope(
        "e-1", "/billing", "payment.captured", AT, "o-1", told | {"invoice_number": 12} | data
    )


AT = "2026-11-21T08:00:00.000Z"


@pytest.mark.usefixtures("catalogue")
def test_a_paid_order_has_a_receipt(client: FlaskClient, settled: Settled) -> None:
    """The receipt has shop, number, date, customer, lines, total and payment."""
    place(client, tea=2, mug=1)
    settled()
    answer = client.get("/order/1001/receipt.pdf")
    assert (answer.status_code, answer.mimetype) == (200, "application/pdf")
    assert answer.headers["Content-Disposition"] == 'inline; filename="receipt-1.pdf"'
    [text] = pages(answer.data)
    day = read(client, "/order/1001")["order_date"][:10]
    for told in (
        "Tea & Co.",
        "1 Market Street",
        "10115 Berlin",
        f"Date {day}",
        "Order 1001",
        "Customer Ada",
        "Assam, 100 g 2 4.50 9.00",
        "Mug 1 12.00 12.00",
        "Total 21.00 EUR",
        f"Paid on {day} 21.00 EUR",
        "Paid in all 21.00 EUR",
        "Page 1 of 1",
    ):
        assert told in text.replace("\r\n", " "), told
    assert client.get("/order/1001/receipt.pdf").data == answer.data


@pytest.mark.usefixtures("catalogue")
def test_a_receipt_shows_the_order_at_its_payment(client: FlaskClient, settled: Settled) -> None:
    """A later change of the name makes no new receipt; a refund does."""
    order = place(client, tea=2)
    settled()
    before = client.get("/order/1001/receipt.pdf").data
    client.patch("/order/1001", json={"customer_name": "Bo"})
    settled()
    assert client.get("/order/1001/receipt.pdf").data == before

    client.delete("/order/1001")
    settled()
    [text] = pages(client.get(f"/order/{order['order_id']}/receipt.pdf").data)
    assert "-9.00 EUR" in text
    assert "Paid in all 0.00 EUR" in text


@pytest.mark.usefixtures("catalogue")
def test_without_payment_there_is_no_receipt(client: FlaskClient, settled: Settled) -> None:
    client.put("/fault/billing", json={"mode": "fail"})
    place(client, tea=1)
    settled()
    answer = client.get("/order/1001/receipt.pdf")
    assert answer.status_code == 409
    assert body(answer)["detail"] == (
        "Nothing has been paid for this order yet, so there is no receipt."
    )
    assert client.get("/order/1002/receipt.pdf").status_code == 404


@pytest.mark.parametrize(
    "name",
    [
        *("Zoë Ærø", "Żółć “€”", "Ελένη Παπαδοπούλου", "Ёлка Щукина", "王小明 書店", "すずき"),
        "김민준",
    ],
)
def test_names_are_written_in_their_script(name: str) -> None:
    """Every letter of a name can be extracted, and none is an empty box."""
    [text] = pages(receipt_pdf(SHOP, paid(name, line(name))))
    assert text.count(name) == 2


def test_arabic_is_joined_and_runs_from_right_to_left() -> None:
    """The extracted text is unchanged; the drawn glyphs have their joined forms."""
    pdf = receipt_pdf(SHOP, paid("محمد", line("شاي")))
    [text] = pages(pdf)
    assert "محمد" in text
    with pypdfium2.PdfDocument(pdf) as document:
        page = document[0].get_textpage()
        first = page.get_text_bounded().index("محمد")
        lefts = [page.get_charbox(first + place)[0] for place in range(4)]
    assert lefts == sorted(lefts, reverse=True)


@pytest.mark.parametrize(
    ("name", "drawn"),
    [("ნინო", "□□□□"), ("Ada 🎁\ufe0f", "Ada □"), ("👩\u200d💻 Ada", "□□ Ada")],
)
def test_letters_without_a_font_are_drawn_as_boxes(name: str, drawn: str) -> None:
    """A box stands for each letter; customer and item are never blank."""
    [text] = pages(receipt_pdf(SHOP, paid(name, line(name))))
    assert text.count(drawn) == 2


@pytest.mark.parametrize("name", ["דנה לוי", "राजेश शर्मा", "มานี จันทร"])
def test_shaped_scripts_are_drawn_in_their_font(name: str) -> None:
    """Hebrew, Hindi and Thai: the letters can be extracted, and none is a box."""
    [text] = pages(receipt_pdf(SHOP, paid(name, line(name))))
    assert "□" not in text
    assert sum(letter in text for letter in name) >= len(name) - 2


def test_a_receipt_logs_no_letter(caplog: pytest.LogCaptureFixture) -> None:
    """The libraries would log each letter of a name."""
    receipt_pdf(SHOP, paid("王小明", line("ไทย")))
    assert caplog.records == []


def test_long_amounts_do_not_overlap() -> None:
    """The columns of figures are as wide as a total of twelve digits needs."""
    goods = line("Tea") | {"quantity": 1_000_000, "amount": "999999.99"}
    goods["line_total"] = "999999990000.00"
    with pypdfium2.PdfDocument(receipt_pdf(SHOP, paid("Ada", goods))) as document:
        page = document[0].get_textpage()
        text = page.get_text_bounded()
        row = text.index("1000000"), text.index("999999990000.00") + len("999999990000.00")
        boxes = [page.get_charbox(place) for place in range(*row)]
    edges = [(left, right) for left, _, right, _ in boxes if right > left]
    assert all(left > right - 1 for (_, right), (left, _) in pairwise(edges))


@pytest.mark.parametrize("name", ["Ada", "Ёлка", "王小明"])
def test_figures_end_at_the_right_margin(name: str) -> None:
    """Totals are flush right, in the fonts that a name needs as in the core fonts."""
    with pypdfium2.PdfDocument(receipt_pdf(SHOP, paid(name, line("A"), line("B", 1234)))) as pdf:
        page = pdf[0].get_textpage()
        text = page.get_text_bounded()
        ends = [text.index(row) + len(row) - 1 for row in ("1 1.00 1.00", "1234 1.00 1234.00")]
        rights = [page.get_charbox(end)[2] for end in ends]
        inner = pdf[0].get_width() - (20 + 1) * 72 / 25.4
    assert rights == [pytest.approx(inner, abs=1)] * 2


@pytest.mark.parametrize("name", ["{nb} (Ada) \\", "Ёлка {nb}", "王小明 {nb}"])
def test_a_name_is_drawn_as_it_is_written(name: str) -> None:
    """No part of a name is replaced, as fpdf2 by default replaces {nb} by the number of pages."""
    [text] = pages(receipt_pdf(SHOP, paid(name, line(name))))
    assert text.count(name) == 2


def test_one_receipt_is_made_at_a_time() -> None:
    """The others wait for a second at most."""
    with RENDERING.slot(), pytest.raises(Unavailable, match="Too many receipts"):
        receipt_pdf(SHOP, paid("Ada", line("Tea")))


def test_a_long_receipt_runs_over_numbered_pages() -> None:
    """All 600 lines are there once, and each page has the headings and the page number."""
    texts = pages(receipt_pdf(SHOP, paid("Ada", *(line(f"Product-{n:03}.") for n in range(600)))))
    assert len(texts) > 10
    for number, text in enumerate(texts, 1):
        assert f"Page {number} of {len(texts)}" in text
    assert all("Quantity" in text for text in texts[:-1])
    everything = "".join(texts)
    assert all(everything.count(f"Product-{n:03}.") == 1 for n in range(600))
    assert "600.00 EUR" in texts[-1]


@pytest.mark.deep
def test_another_process_makes_the_same_bytes() -> None:
    """Embedded fonts and another hash seed do not change the bytes."""
    script = (
        "import hashlib; from tests.billing.test_receipt import *;"
        "print(hashlib.sha256(receipt_pdf(SHOP, paid('Ёлка 王 محمد', line('Чай')))).hexdigest())"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]


@pytest.mark.usefixtures("catalogue")
def test_a_receipt_has_the_address_that_the_order_has_now(
    client: FlaskClient, settled: Settled
) -> None:
    """In whatever script; a correction before the parcel leaves makes another receipt."""
    address = {"name": "王小明", "lines": ["Box 7", "Yard"], "city": "Doha", "country": "QA"}
    place(client, tea=2)
    settled()
    before = client.get("/order/1001/receipt.pdf").data
    client.patch("/order/1001", json={"shipping_address": address})
    settled()
    [text] = pages(client.get("/order/1001/receipt.pdf").data)
    assert "Ship to 王小明 Box 7 Yard Doha Qatar" in text.replace("\r\n", " ")
    client.patch("/order/1001", json={"shipping_address": None})
    settled()
    assert client.get("/order/1001/receipt.pdf").data == before


def test_a_receipt_states_the_tax_by_rate() -> None:
    """Of the sum of each rate's lines; lines without a rate state none."""
    lines = taxed("19", 10), taxed("7", 5), taxed("19", 13), line("Untaxed", 2)
    [text] = pages(receipt_pdf(replace(SHOP, tax_number="DE123456789"), paid("Ada", *lines)))
    for told in (
        "10115 Berlin Tax number DE123456789",
        "Total 30.00 EUR 19% tax, included in 23.00 EUR 3.67 EUR "
        "7% tax, included in 5.00 EUR 0.33 EUR Paid on",
    ):
        assert told in text.replace("\r\n", " "), told


def test_a_receipt_without_rates_states_no_tax() -> None:
    """Nor does it name a tax number that the shop does not have."""
    [text] = pages(receipt_pdf(SHOP, paid("Ada", line("Tea"))))
    assert "tax" not in text.lower()


@pytest.mark.usefixtures("catalogue")
def test_the_printed_receipts_state_the_tax(client: FlaskClient, settled: Settled) -> None:
    """As the PDF does: the rate is that of the moment of ordering."""
    client.patch("/product/tea", json={"tax_rate": "7"})
    place(client, tea=2, mug=1)
    settled()
    client.patch("/product/tea", json={"tax_rate": "19"})
    [text] = pages(client.get("/order/1001/receipt.pdf").data)
    assert "7% tax, included in 9.00 EUR 0.59 EUR" in text.replace("\r\n", " ")
    text = Page(client.get("/desk/chosen/receipts?order=1001")).text
    assert "7% tax included in 9.00 EUR 0.59 EUR" in text
