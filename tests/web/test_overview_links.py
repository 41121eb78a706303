"""The figures of the overview are links to the lists that have just what they count."""

import csv
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from flask.testing import FlaskClient
from freezegun import freeze_time

from app.kernel import clock
from app.orders.documents import ORDERS
from app.server.runtime import Runtime
from app.web.manager.charts import bars, rows
from app.web.manager.statistics import MAX_ORDERS_READ
from tests.over_http import place, request_for
from tests.transactions import transaction
from tests.web.page import Page


@pytest.mark.usefixtures("catalogue")
def test_figures_lead_to_what_they_count(client: FlaskClient, settled: Callable[[], None]) -> None:
    """Orders of a day and of a status; events on their way, and failures."""
    for _ in range(3):
        place(client, tea=1)
    client.post("/order/1003/cancel")
    settled()
    links = Page(client.get("/overview")).links
    today = datetime.now(UTC).date().isoformat()
    assert {"/events#open", "/events#failures"} <= set(links)
    for link, count in {
        f"/desk?from={today}&to={today}": 3,
        "/desk?status=confirmed": 2,
        "/desk?status=cancelled": 1,
    }.items():
        assert link in links
        assert f"{count} found" in Page(client.get(link)).text


@pytest.mark.usefixtures("catalogue")
def test_revenue_leads_to_the_orders_that_add_up_to_it(
    client: FlaskClient, settled: Callable[[], None]
) -> None:
    """Of each day, as a list and as CSV; cancelled and failed orders are in neither."""
    with freeze_time("2026-11-20T12:00:00Z"):
        place(client, tea=2)
        place(client, mug=1)
        client.post("/order/1002/cancel")
    with freeze_time("2026-11-21T12:00:00Z"):
        place(client, mug=2)
        client.post("/order", json=request_for(tea=1) | {"payment_method": "decline"})
        place(client, tea=1)
    settled()
    with freeze_time("2026-11-21T13:00:00Z"):
        links = Page(client.get("/overview")).links
        for day, figure in {"2026-11-20": "9.00", "2026-11-21": "28.50"}.items():
            query = f"from={day}&to={day}&status=sold"
            assert f"/desk?{query}" in links
            rows = csv.DictReader(client.get(f"/desk.csv?{query}").text.splitlines())
            assert sum(Decimal(row["line_total"]) for row in rows) == Decimal(figure)
            assert figure in Page(client.get("/overview")).text
        page = Page(client.get("/desk?status=sold"))
        assert "sold 3" in page.text
        assert "3 found" in page.text
    assert "sold" not in Page(client.get("/desk")).by_id["counts"]


@pytest.mark.usefixtures("catalogue")
def test_a_sum_that_is_partial_has_no_link(client: FlaskClient, runtime: Runtime) -> None:
    """Its list would add up to more; that of a later day that was read to its end has one."""
    stored = place(client, tea=1)
    now = datetime.now(UTC)
    days = [clock.format_time(now - timedelta(ago)) for ago in (2, 1)]
    with transaction(runtime.store) as tx:
        for n in range(MAX_ORDERS_READ):
            order = {"order_id": f"{n:05}", "number": 2000 + n, "order_date": days[n % 2]}
            tx.put(ORDERS.name, stored | order)
    links = Page(client.get("/overview")).links
    dates = [day[:10] for day in days]
    is_linked = [f"/desk?from={date}&to={date}&status=sold" in links for date in dates]
    assert is_linked == [False, True]


@pytest.mark.parametrize(("draw", "side"), [(bars, "height"), (rows, "width")])
def test_bars_have_their_values(draw: Callable[..., str], side: str) -> None:
    """A long bar has it inside, a short one at its end, an empty one none."""
    svg = draw("Orders", ["a", "b", "c"], [12345.4, 3, 0])
    found = re.findall(r'(<rect x="\d[^>]*>)<text class="(value[^"]*)"[^>]*>([^<]+)</text>', svg)
    values = {value: (kind, _length(rect, side)) for rect, kind, value in found}
    assert values.keys() == {"12,345", "3"}
    assert [kind for kind, _ in (values["12,345"], values["3"])] == ["value inside", "value"]
    assert values["12,345"][1] > 1000 * values["3"][1] > 0


def _length(rect: str, side: str) -> float:
    return float(rect.split(f'{side}="')[1].split('"')[0])
