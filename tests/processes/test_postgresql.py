"""Two machines on one PostgreSQL: servers that share no data folder."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.processes.servers import Server, wait_for

pytestmark = pytest.mark.deep

BUYERS, PIECES = 60, 7


@pytest.fixture
def machines(tmp_path: Path, postgresql_url: str) -> Iterator[list[Server]]:
    """Two servers, started one after the other."""
    servers = [Server(tmp_path / name / "data", STORE=postgresql_url) for name in ("one", "two")]
    for server in servers:
        server.data.parent.mkdir()
    try:
        yield [server.start() for server in servers]
    finally:
        for server in servers:
            server.kill()


def place(server: Server) -> int:
    """Place an order, again while the database cannot be reached; returns its number."""
    order = {"customer_name": "Ann", "items": [{"product": "pencil-hb", "quantity": 1}]}
    responses = []

    def is_reached() -> bool:
        responses.append(response_of(server, "POST", "/order", order))
        return responses[-1][0] not in (0, 503)  # each process connects again by itself

    wait_for("the database is reached", is_reached)
    status, placed = responses[-1]
    assert status == 201, placed
    return int(placed["number"])


def response_of(
    server: Server, method: str, path: str, body: object = None
) -> tuple[int, dict[str, Any]]:
    """Status and document; status 0 from a worker that ends, as one does that starts meanwhile."""
    try:
        return server.request(method, path, body)
    except (OSError, HTTPException):
        return 0, {}


def status_of(server: Server, path: str) -> int:
    return response_of(server, "GET", path)[0]


def wait_until_delivered(server: Server, numbers: list[int]) -> None:
    """Wait until every order is paid, which takes all of its events."""

    def is_paid(number: int) -> bool:
        status, order = response_of(server, "GET", f"/order/{number}")
        return status == 200 and order["payment_status"] == "paid"  # 503: connects again

    wait_for("the orders are paid", lambda: all(map(is_paid, numbers)))


def test_two_machines_are_one_shop(machines: list[Server]) -> None:
    """Orders of either are numbered once, seen by both, and delivered by either."""
    numbers = [place(machines[n % 2]) for n in range(10)]
    assert len(set(numbers)) == 10
    for server in machines:
        wait_until_delivered(server, numbers)


def test_another_machine_delivers_when_one_is_killed(machines: list[Server]) -> None:
    """Whichever it is: the other one gets its shards."""
    numbers = [place(machines[0]) for _ in range(3)]
    machines[0].kill()
    numbers.append(place(machines[1]))
    wait_until_delivered(machines[1], numbers)
    machines[0].start()
    machines[1].kill()
    numbers.append(place(machines[0]))
    wait_until_delivered(machines[0], numbers)


def test_all_goes_on_when_the_database_is_back(machines: list[Server], postgresql_url: str) -> None:
    """Without a restart of any process; meanwhile requests get 503 or wait."""
    numbers = [place(machines[0])]
    url = psycopg.conninfo.make_conninfo(postgresql_url, user="postgres", dbname="postgres")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER DATABASE shop ALLOW_CONNECTIONS false")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'shop'"
        )
        try:
            wait_for("requests are refused", lambda: status_of(machines[0], "/order") == 503)
            wait_for("it is not ready", lambda: status_of(machines[1], "/readyz") == 503)
        finally:
            connection.execute("ALTER DATABASE shop ALLOW_CONNECTIONS true")
    wait_for("the servers work", lambda: all(status_of(each, "/order") == 200 for each in machines))
    numbers += [place(server) for server in machines]
    wait_until_delivered(machines[1], numbers)


def test_sixty_clients_over_two_machines_get_seven_pieces(machines: list[Server]) -> None:
    """Each asks for one at the same time; seven get theirs, and no piece is sold twice."""
    for sku in "first-print", "second-print":
        book = {"sku": sku, "name": "A book", "price": "9.00", "quantity": PIECES}
        assert machines[0].request("POST", "/product", book)[0] == 201
        with ThreadPoolExecutor(BUYERS) as pool:
            numbers = [*filter(None, pool.map(partial(buy, machines, sku), range(BUYERS)))]
        wait_for("all is decided", partial(are_decided, machines[0], numbers))
        assert statuses_of(machines[1], numbers) == {
            "confirmed": PIECES,
            "failed": len(numbers) - PIECES,
        }
        _, product = machines[1].request("GET", f"/product/{sku}")
        assert (product["quantity"], product["reserved"]) == (PIECES, PIECES)


def buy(machines: list[Server], sku: str, client: int) -> int | None:
    """Order one piece; returns the number of the order, or None where it is out of stock."""
    order = {"customer_name": "Ann", "items": [{"product": sku, "quantity": 1}]}
    status, placed = machines[client % 2].request("POST", "/order", order)
    assert status in (201, 409), placed
    return placed["number"] if status == 201 else None


def statuses_of(server: Server, numbers: list[int]) -> Counter[str]:
    """The number of orders in each status."""
    return Counter(server.request("GET", f"/order/{number}")[1]["status"] for number in numbers)


def are_decided(server: Server, numbers: list[int]) -> bool:
    """Return whether stock was reserved, or found missing, for each of these orders."""
    return "placed" not in statuses_of(server, numbers)
