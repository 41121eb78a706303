"""The workload of every service: its products and the orders that it is sent."""

import csv
import json
from pathlib import Path

PRODUCTS = 100
STOCK = 1_000_000
"""Pieces of each product: more than any run can sell, so no order is refused or waits."""


def write_products(file: Path) -> None:
    """Write sku-001 … sku-100 as CSV with the columns sku, name, price and quantity."""
    with file.open("w", newline="", encoding="utf-8") as rows:
        out = csv.writer(rows)
        out.writerow(["sku", "name", "price", "quantity"])
        for n in range(1, PRODUCTS + 1):
            out.writerow([_sku(n), f"Product {n}", f"{n}.50", STOCK])


def write_orders(file: Path) -> None:
    """Write one order body a line; together they order every product equally often.

    Each has two lines: two pieces of one product and one of the next. The same hundred bodies are
    sent again and again.
    """
    bodies = [_order(n) for n in range(1, PRODUCTS + 1)]
    file.write_text("\n".join(bodies) + "\n", encoding="utf-8")


def write_json_server(file: Path, stored: int) -> None:
    """Write json-server's file: `stored` orders, as they are sent, with the id that it needs."""
    orders = [{"id": n, **json.loads(_order(n % PRODUCTS + 1))} for n in range(1, stored + 1)]
    file.write_text(json.dumps({"order": orders}, indent=2), encoding="utf-8")


def _order(n: int) -> str:
    items = [
        {"product": _sku(n), "quantity": 2},
        {"product": _sku(n % PRODUCTS + 1), "quantity": 1},
    ]
    customer = {"customer_name": f"Customer {n}", "customer_email": "a@example.com"}
    return json.dumps({**customer, "items": items})


def _sku(n: int) -> str:
    return f"sku-{n:03}"
