"""The layout of a receipt: A4, in English, drawn with fpdf2.

receipt_fonts.py has the scripts in which names may be.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from itertools import zip_longest
from typing import cast

from fpdf import FPDF
from fpdf.enums import MethodReturnValue, XPos

from app.billing.payments import CAPTURE
from app.billing.receipt_fonts import add_fonts, drawable
from app.billing.receipt_issuer import ReceiptIssuer
from app.billing.tax import included_taxes
from app.events.types import Envelope
from app.kernel import clock, shop_day
from app.kernel.shipping_address import address_lines
from app.store import Document

MARGIN_MM, LINE_MM, PADDING_MM = 20, 5, 1
FIGURES_MM = (22, 27, 27)
"""The least widths of quantity, price and total."""

AMOUNT_MM = 35
LIGHT, GREY, BLACK = 190, 110, 0
PAGES = "\x80\x81\x82"
"""Stands for the number of pages until that is known: no name has these control characters."""


def render_receipt(issuer: ReceiptIssuer, event: Envelope) -> bytes:
    """The PDF; see receipt.receipt_pdf."""
    with ExitStack() as resources:
        page = _Page(issuer, event, resources)
        page.add_page()
        page.head()
        page.lines()
        page.payments()
        return bytes(page.output())


class _Page(FPDF):
    """A4 pages with a page number in the footer."""

    def __init__(self, issuer: ReceiptIssuer, event: Envelope, resources: ExitStack) -> None:
        super().__init__(format="A4")
        self._issuer = issuer
        self._event = event
        self._order: Document = event.data["order"]
        self.set_title(f"Receipt {event.data['invoice_number']}")
        self.set_author(issuer.name)
        self.set_lang("en")
        self.set_creation_date(clock.parse_time(event.time))
        self.alias_nb_pages(PAGES)
        self.set_margins(MARGIN_MM, MARGIN_MM)
        self.set_auto_page_break(auto=True, margin=MARGIN_MM)
        text = drawable("".join(_texts(issuer, self._order)))
        self._family = add_fonts(self, text, resources)

    def footer(self) -> None:
        """See FPDF: called for each page."""
        self.set_y(-15)
        self._style(8, GREY)
        self.cell(0, LINE_MM, f"Receipt {self._event.data['invoice_number']}", new_x=XPos.LMARGIN)
        self.cell(0, LINE_MM, f"Page {self.page_no()} of {PAGES}", align="R")

    def head(self) -> None:
        """Draw the issuer, the receipt's number and date, the order and the customer."""
        self._style(18, bold=True)
        self._write(self._issuer.name, 9)
        self._style(9, GREY)
        for line in filter(None, re.split(r"\s*,\s*", self._issuer.address)):
            self._write(line)
        if self._issuer.tax_number:
            self._write(f"Tax number {self._issuer.tax_number}")
        self.ln(10)
        self._style(14, bold=True)
        self._write("Receipt", 8)
        customer = [self._order["customer_name"], self._order["customer_email"]]
        paid_at = self._day(self._event.data["payment"]["at"])
        for label, text in [
            ("Number", str(self._event.data["invoice_number"])),
            ("Date", paid_at),
            ("Order", str(self._order["number"])),
            ("Customer", customer[0]),
            ("", customer[1]),
            *zip_longest(("Ship to",), address_lines(self._order), fillvalue=""),
        ]:
            if text:
                self._labelled(label, text)
        self.ln(6)

    def lines(self) -> None:
        """Draw the order lines, their total and taxes; the headings are repeated on each page."""
        self._measure()
        self._headings()
        for line in self._order["items"]:
            texts = self._wrap(line["name"], self._name_mm)
            if self.will_page_break(len(texts) * LINE_MM + 2 * PADDING_MM):
                self.add_page()
                self._headings()
            self._row(texts, str(line["quantity"]), line["amount"], line["line_total"])
        self.ln(1)
        self._amount("Total", self._order["total_amount"], bold=True)
        for each in included_taxes(self._order):
            label = f"{each.rate}% tax, included in {each.gross} {self._order['currency']}"
            self._amount(label, each.tax)

    def payments(self) -> None:
        """Draw the payments and refunds with their dates, and the amount still due."""
        self.ln(4)
        for payment in self._event.data["payments"]:
            is_capture = payment["kind"] == CAPTURE
            label = f"{'Paid' if is_capture else 'Refunded'} on {self._day(payment['at'])}"
            self._amount(label, payment["amount"] if is_capture else f"-{payment['amount']}")
        paid = Decimal(self._event.data["paid"])
        left = Decimal(self._order["total_amount"]) - paid
        self._amount("Paid in all", self._event.data["paid"], bold=True)
        if left > 0 and paid:
            self._amount("Still to be paid", str(left), bold=True)

    def _measure(self) -> None:
        """Make the columns of figures as wide as their widest one; the name has the rest."""
        self._style(9)
        items = self._order["items"]
        columns = (
            [str(each["quantity"]) for each in items],
            [each["amount"] for each in items],
            [each["line_total"] for each in items],
        )
        self._figures_mm = [
            max(least, *(self._width(each) + 2 * self.c_margin for each in column))
            for least, column in zip(FIGURES_MM, columns, strict=True)
        ]
        self._name_mm = self.epw - sum(self._figures_mm)

    def _headings(self) -> None:
        currency = self._order["currency"]
        self._style(9, bold=True)
        self._row(["Item"], "Quantity", f"Price, {currency}", f"Total, {currency}")
        self._style(9)

    def _row(self, name: list[str], *figures: str) -> None:
        """Draw a name, wrapped, with figures beside its first line.

        The tables of fpdf2 take four times as long as all the rest of the receipt.
        """
        self.y += PADDING_MM
        self.x = self.l_margin + self._name_mm
        for width, figure in zip(self._figures_mm, figures, strict=True):
            self._draw(width, LINE_MM, figure, align="R")
        for text in name:
            self.x = self.l_margin
            self._draw(self._name_mm, LINE_MM, text)
            self.ln(LINE_MM)
        self.y += PADDING_MM
        self.set_draw_color(LIGHT)
        self.line(self.l_margin, self.y, self.w - self.r_margin, self.y)

    def _labelled(self, label: str, text: str) -> None:
        self._style(10, GREY)
        self._draw(28, LINE_MM + 1, label)
        self._style(10)
        self._write(text, LINE_MM + 1)

    def _amount(self, label: str, amount: str, *, bold: bool = False) -> None:
        if self.will_page_break(2 * LINE_MM):
            self.add_page()
        self._style(10, bold=bold)
        text = f"{amount} {self._order['currency']}"
        width = max(AMOUNT_MM, self._width(text) + 2 * self.c_margin)
        self._draw(self.epw - width, LINE_MM + 2, label, align="R")
        self._draw(width, LINE_MM + 2, text, align="R")
        self.ln(LINE_MM + 2)

    def _write(self, text: str, height_mm: float = LINE_MM) -> None:
        """Draw text from the present position to the right margin, wrapped."""
        left, width = self.x, self.w - self.r_margin - self.x
        for line in self._wrap(text, width):
            if self.will_page_break(height_mm):
                self.add_page()
            self.x = left
            self._draw(width, height_mm, line)
            self.ln(height_mm)

    def _draw(self, width_mm: float, height_mm: float, text: str, *, align: str = "L") -> None:
        """Draw one line of text in a box, and move to the right edge of the box.

        FPDF.cell copies the whole graphics state for each text, so it draws only what FPDF.text
        cannot: shaped letters, and texts in several fonts.
        """
        if self.text_shaping:
            self.cell(width_mm, height_mm, text, align=align)
            return
        indent = self.c_margin if align == "L" else width_mm - self.c_margin - self._width(text)
        baseline = self.y + 0.5 * height_mm + 0.3 * self.font_size  # as FPDF.cell has it
        self.text(self.x + indent, baseline, text)
        self.x += width_mm

    def _width(self, text: str) -> float:
        """The width of a text in mm; FPDF.get_string_width costs as much as FPDF.cell."""
        if self.text_shaping or self.current_font is None:
            return self.get_string_width(text)
        return self.current_font.get_text_width(text, self.font_size_pt, None)[1] / self.k

    def _wrap(self, text: str, width_mm: float) -> list[str]:
        """The text as it can be drawn, wrapped; multi_cell is slow, so only for a long text."""
        text = drawable(text)
        if self._width(text) <= width_mm - 2 * self.c_margin:
            return [text]
        lines = self.multi_cell(
            width_mm, text=text, align="L", dry_run=True, output=MethodReturnValue.LINES
        )
        return cast("list[str]", lines)

    def _style(self, size: int, grey: int = BLACK, *, bold: bool = False) -> None:
        self.set_font(self._family, "B" if bold else "", size)
        self.set_text_color(grey)

    def _day(self, moment: str) -> str:
        return f"{shop_day.local_time(moment, self._issuer.zone):%Y-%m-%d}"


def _texts(issuer: ReceiptIssuer, order: Document) -> Iterator[str]:
    """The texts of the receipt that people have written."""
    yield from (issuer.name, issuer.address, issuer.tax_number)
    yield from (order["customer_name"], order["customer_email"] or "")
    yield from address_lines(order)
    yield from (line["name"] for line in order["items"])
