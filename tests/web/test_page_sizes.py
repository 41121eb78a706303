"""Every page stays below 100 KB, with the longest texts and the most entries that are allowed."""

import json
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO

import pytest
from flask.testing import FlaskClient

from app.config import Config
from app.inventory.service import add_product
from app.orders.schemas import MAX_LINES
from app.server.runtime import Runtime
from app.store import Document
from app.web.clerk.several_shipments import MAX_CHOSEN
from app.web.manager.product_import import MAX_FILE_BYTES
from tests.over_http import read
from tests.transactions import transaction
from tests.web.page import Page

pytestmark = pytest.mark.deep

MAX_PAGE_BYTES = 100_000
ORDERS = MAX_CHOSEN + 5
NAME = '"' * 200
EMAIL = f"{'a' * 64}@{'b' * 60}.{'c' * 60}.{'d' * 50}.example"
CHANGES = 60
LONG = 1001
"""The order with the most lines."""
CHANGED = 1002
"""The order with the most changes."""

Settled = Callable[[], None]


@pytest.fixture
def config(config: Config) -> Config:
    """With fault switches."""
    return replace(config, faults=True)


@pytest.fixture
def skus(runtime: Runtime) -> list[str]:
    """Seventy products, each of another category."""
    skus = [f"{number:02}" + "🍵" * 62 for number in range(70)]
    with transaction(runtime.store) as tx:
        for number, sku in enumerate(skus):
            product = {"sku": sku, "name": NAME, "price": "1.00", "quantity": 10**6}
            add_product(tx, product | {"category": f"{number:02}" + '"' * 98})
    return skus


@pytest.fixture
def link(client: FlaskClient, skus: list[str], settled: Settled) -> str:
    """The link of order 1001; there are orders in each state, shipments, mails and failures."""
    many = [{"product": skus[n % len(skus)], "quantity": 1} for n in range(MAX_LINES)]
    few = [{"product": sku, "quantity": 1} for sku in skus[:10]]
    customer = {"customer_name": NAME, "customer_email": EMAIL}
    for number in range(ORDERS):
        order = customer | {"items": few if number else many}
        assert post(client, order) == 201
    for change in range(CHANGES):
        items = [line | {"quantity": 2 + change % 2} for line in few]
        assert client.patch(f"/order/{CHANGED}", json={"items": items}).status_code == 200
    settled()
    for number in range(LONG + 20, LONG + 40):
        parcel = {"carrier": '"' * 100, "tracking_number": '"' * 100}
        assert client.post(f"/shipment/{number}/ship", json=parcel).status_code == 200
    client.put("/fault/billing", json={"mode": "reject"})
    client.put("/fault/notification", json={"mode": "reject"})
    for _ in range(30):
        assert post(client, customer | {"items": few}) == 201
    settled()
    return str(read(client, f"/order/{LONG}")["link"])


def post(client: FlaskClient, order: Document) -> int:
    """Place an order, in UTF-8, which takes less than escapes; return the status."""
    data = json.dumps(order, ensure_ascii=False).encode()
    return client.post("/order", data=data, content_type="application/json").status_code


def test_pages_are_small(client: FlaskClient, link: str, skus: list[str]) -> None:
    """Lists, orders, prints, forms, products, events and mails."""
    chosen = "&".join(f"order={number}" for number in range(LONG, LONG + MAX_CHOSEN))
    addresses = [
        "/", f"/?find={'%22' * 80}", f"/orders/{link}", "/desk", "/desk?find=aaaa",
        f"/desk/{LONG}", f"/desk/{LONG}?lines=2", f"/desk/{LONG}/edit",
        f"/desk/{LONG}/edit?lines=80",
        f"/desk/{LONG}/delete", f"/desk/{CHANGED}", f"/desk/{CHANGED}?history=60",
        f"/orders/{read(client, f'/order/{CHANGED}')['link']}",
        *(f"/desk/chosen/{kind}?{chosen}" for kind in ("receipts", "packing-lists", "cancel")),
        f"/shipping/chosen?{chosen}", "/shipping", "/shipping?state=shipped", "/shipping?find=aaaa",
        "/shipping/list", f"/shipping/{read(client, f'/shipment/{LONG}')['shipment_id']}",
        "/stock", f"/stock/{skus[0]}", "/stock-import", "/overview", "/mail", "/events",
    ]  # fmt: skip
    for listed in ("/mail", "/events"):
        links = Page(client.get(listed)).links
        addresses += [each for each in links if each.startswith(f"{listed}/")]
    large = {}
    for address in addresses:
        answer = client.get(address)
        assert answer.status_code == 200, address
        if len(answer.data) >= MAX_PAGE_BYTES:
            large[address] = len(answer.data)
    assert large == {}


@pytest.mark.parametrize("row", ["{n:064},x,{name}\n", "{n:064},1.00,{name}\n"])
def test_a_preview_of_the_largest_file_is_small(client: FlaskClient, row: str) -> None:
    """With every row refused, and with none."""
    data = "sku,price,name\n"
    number = 0
    while len(data) + 300 < MAX_FILE_BYTES:
        data += row.format(n=number, name="&" * 200)
        number += 1
    form = Page(client.get("/stock-import")).form("/stock-import")
    fields = form.filled() | {"file": (BytesIO(data.encode()), "&" * 100)}
    answer = client.post(form.action, data=fields, content_type="multipart/form-data")
    assert answer.request
    answer.request.environ["wsgi.input"].close()  # the client's own file, which it leaves open
    assert answer.status_code == 200
    assert len(answer.data) < MAX_PAGE_BYTES
