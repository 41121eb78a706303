"""Adds the sample catalogue, sample.csv, to a new shop."""

from decimal import Decimal
from pathlib import Path

from app.imports.columns import Columns
from app.imports.products import FIELDS, import_products
from app.imports.tables import read_table
from app.inventory.documents import PRODUCTS
from app.inventory.schemas import product_request_schema
from app.kernel.money import Currency
from app.orders.documents import ORDERS
from app.store import Store

SAMPLE = Path(__file__).with_name("sample.csv")


def add_sample(store: Store, currency: Currency) -> int:
    """Add the sample to a shop without products and orders; return the number of products added."""
    with store.read() as view:
        is_new = not view.count(PRODUCTS.name) and not view.count(ORDERS.name)
    if not is_new:
        return 0
    table = read_table(SAMPLE)
    fields = {**FIELDS, "price": lambda price: _price(currency, price)}
    columns = Columns(table, fields, {}, {})
    return import_products(store, product_request_schema(currency), table, columns).added


def _price(currency: Currency, price: str) -> str:
    """A price of the sample, 4.50; a hundred times of it in a currency without minor digits."""
    return currency.format(Decimal(price) * (1 if currency.digits else 100))
