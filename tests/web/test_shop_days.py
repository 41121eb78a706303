"""The shop's days: the same for pages, statistics and the API."""

from collections.abc import Callable
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from flask.testing import FlaskClient
from freezegun import freeze_time

from app.config import Config
from app.orders.documents import ORDERS
from app.server.runtime import Runtime
from app.web.manager import statistics
from tests.over_http import place, read
from tests.transactions import transaction
from tests.web.page import Page

DAYS = [("2026-04-03", []), ("2026-04-04", [1002, 1001]), ("2026-04-05", [1003])]


@pytest.fixture
def config(config: Config) -> Config:
    """A zone whose clocks go back from midnight to 23:00 at the end of 2026-04-04."""
    return replace(config, timezone=ZoneInfo("America/Santiago"))


@pytest.fixture
def shop(client: FlaskClient, catalogue: dict[str, str]) -> None:
    """Orders of both hours that the clocks show as 23, and of the hour after."""
    for moment in ("2026-04-05T02:30:00Z", "2026-04-05T03:30:00Z", "2026-04-05T04:30:00Z"):
        with freeze_time(moment):
            place(client, tea=1)


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(("day", "found"), DAYS)
def test_a_day_of_a_filter_is_one_of_the_shop(
    client: FlaskClient, day: str, found: list[int]
) -> None:
    """The API and the back office find the same orders on a day, none is left out."""
    days = f"from={day}&to={day}"
    assert [each["number"] for each in read(client, f"/order?{days}")["orders"]] == found
    links = Page(client.get(f"/desk?{days}")).links
    assert [int(each[6:]) for each in links if each[6:].isdigit()] == found


@pytest.mark.usefixtures("shop")
def test_the_statistics_count_the_same_days(runtime: Runtime, config: Config) -> None:
    """The hour that comes twice counts twice."""
    with freeze_time("2026-04-05T12:00:00Z"):
        days = statistics.last_days(config.timezone)
    assert statistics.count_by_day(runtime.store, days)[-3:] == [0, 2, 1]


@pytest.mark.usefixtures("catalogue")
def test_the_year_is_shown_when_it_is_not_this_one(client: FlaskClient, config: Config) -> None:
    """In lists and charts, by the shop's clock: the year of Santiago ends at 03:00 UTC."""
    with freeze_time("2026-01-01T02:30:00Z"):
        place(client, tea=1)
        assert "31 Dec, 23:30" in Page(client.get("/desk")).text
    with freeze_time("2026-01-01T03:30:00Z"):
        assert "31 Dec 2025, 23:30" in Page(client.get("/desk")).text
        labels = [day.label for day in statistics.last_days(config.timezone)]
    assert labels[-2:] == ["31 Dec 2025", "1 Jan"]


@pytest.mark.usefixtures("catalogue")
@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59.000Z", "0001-01-01T00:00:00.000Z"])
def test_a_time_at_the_ends_of_the_calendar_is_shown(
    client: FlaskClient, runtime: Runtime, settled: Callable[[], None], moment: str
) -> None:
    """Pages and receipts show it in UTC where the zone has no such date."""
    link = place(client, tea=1)["link"]
    settled()
    with transaction(runtime.store) as tx:
        [order] = tx.find(ORDERS.name).documents
        tx.put(ORDERS.name, order | {"order_date": moment})
    for path in ("/desk", "/desk/1001", f"/orders/{link}", "/overview", "/order/1001/receipt.pdf"):
        assert client.get(path).status_code == 200, path
