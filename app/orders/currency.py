"""The currency of the shop, which is fixed by the first start and compared by every later one.

Many documents have amounts without a currency: they could not be summed over two currencies, and a
price would change its value with a setting. The currency is on record in shop.json.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from app.kernel.errors import Invalid, Problem, Unavailable
from app.kernel.money import Currency
from app.orders.documents import ORDERS, SHOP
from app.store import Collection, Document, Store, Transaction, View

_CURRENCY = "currency"


def pin_currency(store: Store, currency: Currency) -> None:
    """Record the currency of a new shop, durably.

    Raises Unavailable when the shop has another one on record.
    """
    with store.read() as view:
        pinned = view.get(SHOP.name, _CURRENCY)
    if pinned is None:
        pinned = store.run_in_transaction(lambda tx: _pin(tx, currency))
    if pinned["value"] != currency.code:
        raise Unavailable(
            f"The currency of this shop is {pinned['value']}, but DAYBOOK_CURRENCY is "
            f"{currency.code}. Set DAYBOOK_CURRENCY={pinned['value']}, or DAYBOOK_DATA to another "
            f"folder for a shop in {currency.code}."
        )


def with_currency_check(
    currency: Currency, collections: Iterable[Collection]
) -> tuple[Collection, ...]:
    """The collections, whose checks also refuse amounts in another currency."""
    return tuple(replace(each, check=_currency_check(currency, each.check)) for each in collections)


def _pin(tx: Transaction, currency: Currency) -> Document:
    pinned = tx.get(SHOP.name, _CURRENCY) or _initial_currency(tx, currency)
    tx.put(SHOP.name, pinned)
    return pinned


def _initial_currency(view: View, currency: Currency) -> Document:
    """The record of a shop that has none: the currency of its orders, or else `currency`."""
    orders = view.find(ORDERS.name, limit=1).documents
    return {"name": _CURRENCY, "value": orders[0]["currency"] if orders else currency.code}


def _currency_check(
    currency: Currency, check: Callable[[Document], None]
) -> Callable[[Document], None]:
    def check_currency(document: Document) -> None:
        check(document)
        if document.get("currency", currency.code) != currency.code:
            message = f"is not {currency.code}, the currency of this shop (DAYBOOK_CURRENCY)"
            raise Invalid([Problem("/currency", message)])
        price = document.get("price")
        if isinstance(price, str) and price != currency.format(currency.parse(price)):
            raise Invalid([Problem("/price", f"must have {currency.digits} decimal places")])

    return check_currency
