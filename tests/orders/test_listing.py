"""GET /order: filters and sorting."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from freezegun import freeze_time

from tests.over_http import place, read


@pytest.fixture
def shop(client: FlaskClient, catalogue: dict[str, str], settled: Callable[[], None]) -> None:
    """Four orders on three days: confirmed, backordered, cancelled, and confirmed."""
    with freeze_time("2026-11-20T23:59:59.999Z"):
        client.post(
            "/order",
            json={
                "customer_name": "Zoë Ångström",
                "customer_email": "zoe@example.org",
                "items": [{"product": "tea", "quantity": 1}, {"product": "tea", "quantity": 1}],
            },
        )
    with freeze_time("2026-11-21T00:00:00Z"):
        place(client, "Ada", pot=9, tea=1)
    with freeze_time("2026-11-21T23:59:59.999Z"):
        place(client, "ADA", mug=1)
    with freeze_time("2026-11-22T08:00:00Z"):
        place(client, "Ada Lovelace", mug=2)
    client.post("/order/1003/cancel")
    settled()


FILTERS: dict[str, list[int]] = {
    "": [1004, 1003, 1002, 1001],
    "sort=-date": [1004, 1003, 1002, 1001],
    "sort=date": [1001, 1002, 1003, 1004],
    "status=confirmed": [1004, 1001],
    "status=backordered": [1002],
    "status=shipped": [],
    "status=confirmed,backordered": [1004, 1002, 1001],
    "status=cancelled,confirmed,shipped&sort=date": [1001, 1003, 1004],
    "status=confirmed,backordered&product=tea": [1002, 1001],
    "status=confirmed&status=backordered": [1004, 1002, 1001],
    "q=ada": [1004, 1003, 1002],
    "q=lovelace+ada": [1004],
    "q=ANGSTROM": [1001],
    "q=example.org": [1001],
    "q=ada&status=backordered,cancelled": [1003, 1002],
    "q=ada+nobody": [],
    "customer=ada": [1003, 1002],
    "customer=Ada": [1003, 1002],
    "customer=ZOE@EXAMPLE.ORG": [1001],
    "customer=zoe%CC%88+a%CC%8Angstro%CC%88m": [1001],
    "customer=zoe+angstrom": [1001],
    "customer=%C3%81da": [1003, 1002],
    "customer=Lovelace": [],
    "product=tea": [1002, 1001],
    "product=TEA": [],
    "from=2026-11-21": [1004, 1003, 1002],
    "to=2026-11-21": [1003, 1002, 1001],
    "from=2026-11-21&to=2026-11-21": [1003, 1002],
    "from=2026-11-22T08:00:00Z": [1004],
    "from=2026-11-22T09:00:00.001%2B01:00": [],
    "to=2026-11-20T23:59:59.999Z": [1001],
    "from=2026-11-23&to=2026-11-20": [],
    "customer=ada&product=tea&status=backordered&from=2026-11-21&sort=date": [1002],
    "customer=ada&status=confirmed": [],
}
"""The numbers of the orders that each query selects, in order."""


def test_filters_select_orders(client: FlaskClient, shop: None) -> None:
    """Filters work alone and together; names match in any case and Unicode form, days are whole
    days.
    """
    found = {query: read(client, f"/order?{query}") for query in FILTERS}
    numbers = {
        query: [order["number"] for order in page["orders"]] for query, page in found.items()
    }
    assert numbers == FILTERS
    assert {page["next"] for page in found.values()} == {None}


def test_several_statuses_are_paged(client: FlaskClient, shop: None) -> None:
    """Each order once, in the order of the list; the cursor is that of these statuses."""
    path = "/order?status=confirmed,backordered&limit=2"
    first = read(client, path)
    rest = read(client, f"{path}&cursor={first['next']}")
    assert [order["number"] for order in first["orders"] + rest["orders"]] == [1004, 1002, 1001]
    assert rest["next"] is None


def test_repeated_statuses_are_paged(client: FlaskClient, shop: None) -> None:
    """The form that generated clients send; Link has the form with commas, which is the same."""
    first = client.get("/order?status=confirmed&status=backordered&limit=2")
    target = first.headers["Link"].partition(">")[0].strip("<")
    assert "status=confirmed%2Cbackordered" in target
    assert [order["number"] for order in read(client, target)["orders"]] == [1001]


@pytest.mark.parametrize("text", ["confirmed,", "lost", "confirmed,lost", "CONFIRMED", ","])
def test_an_unknown_status_is_refused(client: FlaskClient, text: str) -> None:
    """The answer names the statuses there are."""
    response = client.get(f"/order?status={text}")
    assert response.status_code == 400
    assert "placed or confirmed" in response.text


def test_a_csv_has_the_orders_of_the_search(client: FlaskClient, shop: None) -> None:
    """All of them, with the same filters as a page."""
    found = client.get("/order?q=ada&status=cancelled,backordered", headers={"Accept": "text/csv"})
    assert {line.partition(",")[0] for line in found.text.splitlines()[1:]} == {"1002", "1003"}


def test_a_list_shows_whole_orders(client: FlaskClient, shop: None) -> None:
    """A list has the same documents as the orders' own addresses, but for the history."""
    order = read(client, "/order/1004")
    del order["history"]
    assert read(client, "/order?limit=1")["orders"] == [order]


def test_filters_follow_a_change(client: FlaskClient, shop: None) -> None:
    """A changed order is found by its new values and no longer by its old ones."""
    items = [{"product": "tea", "quantity": 1}]
    client.patch("/order/1004", json={"customer_name": "Eva", "items": items})
    numbers = [order["number"] for order in read(client, "/order?product=tea")["orders"]]
    assert numbers == [1004, 1002, 1001]
    assert read(client, "/order?customer=ada+lovelace")["orders"] == []
    assert len(read(client, "/order?customer=eva")["orders"]) == 1
