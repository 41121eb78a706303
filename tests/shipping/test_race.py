"""A hand-over in parallel with cancelling, changing or deleting its order."""

import threading
from collections.abc import Callable
from functools import partial

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.over_http import place, read
from tests.shipping.conftest import ship, types_of

ORDERS = 12


@pytest.mark.usefixtures("catalogue")
def test_exactly_one_of_cancelling_and_shipping_wins(
    app: Flask, client: FlaskClient, settled: Callable[[], None]
) -> None:
    """The first commit wins, the other request is refused, and nothing is half done."""
    numbers = [place(client, tea=1)["number"] for _ in range(ORDERS)]
    settled()
    for number in numbers:
        cancelled, shipped = _send_in_parallel(
            partial(app.test_client().post, f"/order/{number}/cancel"),
            partial(ship, app.test_client(), number),
        )
        assert (cancelled.status_code == 200) != (shipped.status_code == 200)
        assert {cancelled.status_code, shipped.status_code} <= {200, 409, 404}
        settled()
        order, types = read(client, f"/order/{number}"), types_of(client, number)
        expected = "shipped" if shipped.status_code == 200 else "cancelled"
        assert order["status"] == expected
        assert ("order.fulfilled" in types) == (expected == "shipped")
        assert ("order.cancelled" in types) == (expected == "cancelled")
    assert read(client, "/failure")["failures"] == []
    assert read(client, "/product/tea")["reserved"] == 0


def _send_in_parallel(*requests: Callable[[], TestResponse]) -> list[TestResponse]:
    """Send the requests at the same moment; returns their responses in order."""
    answers: dict[int, TestResponse] = {}
    begin = threading.Barrier(len(requests))

    def send(place: int, request: Callable[[], TestResponse]) -> None:
        begin.wait()
        answers[place] = request()

    threads = [threading.Thread(target=send, args=each) for each in enumerate(requests)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [answers[place] for place in range(len(requests))]
