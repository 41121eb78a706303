"""What is true of the whole shop and stays so: the currency of its books.

An amount is kept without its currency in many places, so books in two currencies cannot be summed,
and a product's price would change its worth with a setting. The first start puts the currency on
record (data/shop.json); every later one compares.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from marshmallow import fields

from app.kernel.errors import Invalid, Problem, Unavailable
from app.kernel.money import Currency
from app.schema.validation import stored_document_check
from app.store import Collection, Document, Store, View

SHOP = Collection(
    name="shop", key="name", check=stored_document_check(value=fields.String(required=True))
)

_CURRENCY = "currency"


def pin_currency(store: Store, currency: Currency) -> None:
    """Put the currency of a new shop on record, durably.

    Raises Unavailable when the shop keeps its books in another one.
    """
    with store.read() as view:
        kept = view.get(SHOP.name, _CURRENCY)
    if kept is None:
        with store.transaction() as tx:
            kept = tx.get(SHOP.name, _CURRENCY) or _first(tx, currency)
            tx.put(SHOP.name, kept)
    if kept["value"] != currency.code:
        raise Unavailable(
            f"This shop keeps its books in {kept['value']}, but DAYBOOK_CURRENCY is "
            f"{currency.code}. Set DAYBOOK_CURRENCY={kept['value']}, or DAYBOOK_DATA to another "
            f"folder for a shop in {currency.code}."
        )


def with_currency_check(
    currency: Currency, collections: Iterable[Collection]
) -> tuple[Collection, ...]:
    """The collections, with money in their documents judged by the shop's currency as well."""
    return tuple(replace(each, check=_judge(currency, each.check)) for each in collections)


def _first(view: View, currency: Currency) -> Document:
    """The currency of a shop that has none on record: that of its orders, else the one given."""
    orders = view.find("orders", limit=1).documents
    return {"name": _CURRENCY, "value": orders[0]["currency"] if orders else currency.code}


def _judge(currency: Currency, check: Callable[[Document], None]) -> Callable[[Document], None]:
    def judge(document: Document) -> None:
        check(document)
        if document.get("currency", currency.code) != currency.code:
            told = f"is not {currency.code}, the currency of this shop (DAYBOOK_CURRENCY)"
            raise Invalid([Problem("/currency", told)])
        price = document.get("price")
        if isinstance(price, str) and price != currency.write(currency.parse(price)):
            raise Invalid([Problem("/price", f"must have {currency.digits} decimal places")])

    return judge
