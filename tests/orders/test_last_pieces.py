"""Parallel orders for the last pieces in stock."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from flask import Flask
from flask.testing import FlaskClient

from tests.over_http import read, request_for


def test_the_last_pieces_are_sold_once(
    app: Flask, client: FlaskClient, catalogue: dict[str, str], settled: Callable[[], None]
) -> None:
    """Of 50 parallel orders for 10 mugs, exactly 10 reserve one and are confirmed; the others are
    refused at once, or fail.
    """
    reserved = []

    def order(_: int) -> int:
        one = app.test_client()
        status = one.post("/order", json=request_for(mug=1)).status_code
        reserved.append(read(one, "/product/mug")["reserved"])
        return status

    with ThreadPoolExecutor(16) as pool:
        statuses = Counter(pool.map(order, range(50)))
    settled()
    mug = read(client, "/product/mug")
    states = Counter(order["status"] for order in read(client, "/order?limit=200")["orders"])
    assert max(reserved) <= 10
    assert (mug["reserved"], mug["available"], mug["stock_status"]) == (10, 0, "out_of_stock")
    assert states["confirmed"] == 10
    assert states["failed"] == statuses[201] - 10
    assert statuses[201] + statuses[409] == 50
