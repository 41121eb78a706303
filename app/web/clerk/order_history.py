"""The history of an order in words, for the page that clerks read."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from app.events.types import OrderPlaced, OrderUpdated
from app.kernel import personal_data
from app.kernel.identity import CARRIER, COMMAND, LOCAL, PUBLIC
from app.kernel.shipping_address import ADDRESS
from app.notification.queries import MailAbout
from app.store import Document
from app.web.layout.numbers import format_money, format_number

CALLERS = {
    LOCAL.name: "the back office",
    PUBLIC.name: "the customer",
    CARRIER: "the carrier",
    COMMAND: "a command",
    "daybook": "the shop",
}
"""The page's words for callers other than users and API keys."""

MAX_SENTENCES = 10
"""The sentences about one change; a change of more lines says how many more there are."""

_STATES = {
    "confirmed": "Everything was reserved",
    "backordered": "The order waits for stock",
    "failed": "The order could not be carried out",
    "payment pending": "The payment is pending",
    "payment paid": "The payment was taken",
    "payment failed": "The payment was declined",
    "payment refunded": "The payment was returned",
}
_PAID = re.compile(r"[0-9]+(\.[0-9]+)?(?= [A-Z]{3} paid\b)")
"""The amount at the start of a payment's detail, which the history has as plain text."""

_INVOICE = {"made": "issued", "adjusted": "adjusted", "voided": "voided"}
_CUSTOMER_FIELDS = {"customer_name": "name", "customer_email": "e-mail address"}


class Entry(NamedTuple):
    """One entry. `mail` is set when it is about a mail that went out."""

    at: str
    sentences: Sequence[str]
    mail: MailAbout | None = None


def history_in_words(
    order: Document,
    records: Sequence[Document],
    invoice: Document | None,
    mails: Iterable[MailAbout],
    payment_titles: Mapping[str, str],
) -> list[Entry]:
    """Return the entries, newest first. `records` are the order's timeline, which has its lines."""
    changes = list(_changes(records, payment_titles))
    entries = []
    for entry in reversed(order["history"]):
        is_change = entry["event"] == "changed"
        details = changes.pop() if is_change and changes else []
        entries.append(Entry(entry["at"], list(_sentences(entry, details))))
    entries += [
        Entry(line["at"], [f"Invoice {invoice['invoice_number']} was {_INVOICE[line['event']]}"])
        for line in (invoice["history"] if invoice else ())
        if invoice and line["event"] in _INVOICE
    ]
    entries += [Entry(mail.at, [], mail) for mail in mails]
    return sorted(entries, key=lambda each: each.at, reverse=True)


def caller(name: str) -> str:
    """Return the page's words for the caller of that recorded name."""
    return CALLERS.get(name, name)


def _sentences(entry: Document, changes: Sequence[str]) -> Iterator[str]:
    name, detail, event = entry.get("by", ""), entry["detail"], entry["event"]
    by = CALLERS[name].capitalize() if name in CALLERS else name
    if event.startswith("payment ") and (amount := _PAID.match(detail)):
        detail = format_money(amount[0]) + detail[amount.end() :]
    after = f": {detail}" if detail else ""
    match event:
        case "changed":
            if ADDRESS in detail.split(", "):  # which events do not have
                changes = [*changes, "changed the shipping address"]
            shown = changes[:MAX_SENTENCES] or ["changed the order"]
            yield from (f"{by or 'The shop'} {change}" for change in shown)
            if len(changes) > MAX_SENTENCES:
                yield f"and {len(changes) - MAX_SENTENCES} more changes"
        case "placed":
            yield f"{by or 'The customer'} placed the order{after}"
        case "cancelled":
            yield f"{by or 'The shop'} cancelled the order{after}"
        case "shipped":
            yield f"{by or 'The shop'} handed the goods to the carrier{after}"
        case "delivered":
            yield "The carrier delivered the goods"
        case "confirmed" | "payment refunded":  # all of it: the detail says that 0.00 is paid
            yield _STATES[event]
        case personal_data.FORGOTTEN:
            yield f"{by or 'The shop'} erased the customer’s personal data"
        case _:
            yield f"{_STATES.get(event, event.capitalize())}{after}"


def _changes(records: Sequence[Document], payment_titles: Mapping[str, str]) -> Iterator[list[str]]:
    """Yield what each change of the order changed, oldest first; nothing when that is not known."""
    before = None
    for record in records:
        event = record["event"]
        if event["type"] not in (OrderPlaced.type, OrderUpdated.type):
            continue
        after = event["data"]["order"]
        if event["type"] == OrderUpdated.type:
            yield list(_differences(before, after, payment_titles)) if before else []
        before = after


def _differences(
    before: Document, after: Document, payment_titles: Mapping[str, str]
) -> Iterator[str]:
    old, new = _lines_by_product(before), _lines_by_product(after)
    for sku in old | new:
        if sku not in new:
            yield f"removed {old[sku]['name']}"
        elif sku not in old:
            yield f"added {format_number(new[sku]['quantity'])} × {new[sku]['name']}"
        else:
            yield from _line_differences(old[sku], new[sku])
    for field, word in _CUSTOMER_FIELDS.items():
        was, now = before[field], after[field]
        if was != now:
            yield f"changed the {word} from {was or 'none'} to {now or 'none'}"
    was, now = before["payment_method"], after["payment_method"]
    if was != now:
        was, now = payment_titles.get(was, was), payment_titles.get(now, now)
        yield f"changed the payment from “{was}” to “{now}”"


def _line_differences(old: Document, new: Document) -> Iterator[str]:
    changed = f"of {new['name']} from"
    if (was := old["quantity"]) != (now := new["quantity"]):
        yield f"changed the quantity {changed} {format_number(was)} to {format_number(now)}"
    if (was := old["amount"]) != (now := new["amount"]):
        yield f"changed the price {changed} {format_money(was)} to {format_money(now)}"


def _lines_by_product(order: Document) -> dict[str, Document]:
    """Return the lines by product; the quantities of two lines of one product are added."""
    lines: dict[str, Document] = {}
    for line in order["items"]:
        known = lines.get(line["product"], {"quantity": 0})
        lines[line["product"]] = line | {"quantity": known["quantity"] + line["quantity"]}
    return lines
