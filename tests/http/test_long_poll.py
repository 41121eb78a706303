"""Prefer: wait=N on POST /order."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import create_app
from app.config import Config
from tests.over_http import body, read, request_for


@pytest.fixture
def config(config: Config) -> Config:
    """With fault switches, to have a handler take its time."""
    return replace(config, faults=True)


@pytest.fixture(autouse=True)
def shop(catalogue: dict[str, str]) -> Iterator[None]:
    """Every test here orders from the catalogue."""
    yield


@pytest.mark.parametrize(("sku", "status"), [("mug", "confirmed"), ("pot", "backordered")])
def test_an_answer_that_waited_says_what_became_of_the_order(
    client: FlaskClient, sku: str, status: str
) -> None:
    """The answer is the order as the handlers left it, with the ETag of that version."""
    answer = client.post("/order", json=request_for(**{sku: 3}), headers={"Prefer": "wait=10"})
    assert (answer.status_code, body(answer)["status"]) == (201, status)
    assert answer.headers["ETag"] == f'"{body(answer)["version"]}"'
    assert answer.headers["Location"] == f"/order/{body(answer)['order_id']}"
    assert answer.headers["Preference-Applied"] == "wait=10"


def test_a_wait_ends_after_its_time(client: FlaskClient) -> None:
    """The order is placed and answered as it is, whatever the handlers do."""
    client.put("/fault/inventory", json={"mode": "slow", "delay_s": 60})
    answer = client.post("/order", json=request_for(tea=1), headers={"Prefer": "wait=1"})
    assert (answer.status_code, body(answer)["status"]) == (201, "placed")
    assert answer.headers["Preference-Applied"] == "wait=1"


@pytest.mark.parametrize(
    "preference", ["wait", "wait=0", "wait=-1", "wait=soon", "wait=\u00b2", "respond-async", ""]
)
def test_a_preference_that_is_not_understood_is_ignored(
    client: FlaskClient, preference: str
) -> None:
    """As RFC 7240 asks: answered at once, and without Preference-Applied."""
    answer = client.post("/order", json=request_for(tea=1), headers={"Prefer": preference})
    assert (answer.status_code, body(answer)["status"]) == (201, "placed")
    assert "Preference-Applied" not in answer.headers


@pytest.mark.parametrize("preference", ["Wait=10", "respond-async, wait=10", 'wait="10"'])
def test_a_preference_is_found_however_it_is_written(client: FlaskClient, preference: str) -> None:
    """Names are in any case, values may be quoted, and there may be others beside it."""
    answer = client.post("/order", json=request_for(tea=1), headers={"Prefer": preference})
    assert (body(answer)["status"], answer.headers["Preference-Applied"]) == (
        "confirmed",
        "wait=10",
    )


@pytest.mark.parametrize(("threads", "places"), [(1, 0), (4, 1), (16, 4)])
def test_those_who_wait_leave_threads_to_the_others(
    config: Config, catalogue: dict[str, str], threads: int, places: int
) -> None:
    """A quarter of the threads may wait; whoever comes after that is answered at once."""
    app = create_app(replace(config, threads=threads))
    headers = {"Prefer": "wait=10"}

    def order() -> TestResponse:
        return app.test_client().post("/order", json=request_for(tea=1), headers=headers)

    client = app.test_client()
    try:
        client.put("/fault/inventory", json={"mode": "slow", "delay_s": 60})
        with ThreadPoolExecutor(places + 1) as pool:
            waiting = [pool.submit(order) for _ in range(places)]
            while len(read(client, "/order")["orders"]) < places:
                assert not any(each.done() for each in waiting)
            last = order()
            assert (last.status_code, body(last)["status"]) == (201, "placed")
            assert "Preference-Applied" not in last.headers
            for listed in read(client, "/order")["orders"]:
                client.delete(f"/order/{listed['number']}")
            assert all("Preference-Applied" in each.result().headers for each in waiting)
    finally:
        app.extensions["daybook"].close()


def test_a_wait_for_an_order_that_is_deleted_meanwhile_ends(
    app: Flask, client: FlaskClient
) -> None:
    """There is nothing left to wait for: the answer is the order as it was placed."""
    client.put("/fault/inventory", json={"mode": "slow", "delay_s": 60})

    def order() -> TestResponse:
        headers = {"Prefer": "wait=10"}
        return app.test_client().post("/order", json=request_for(tea=1), headers=headers)

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(order)
        while not read(client, "/order")["orders"]:
            assert not waiting.done()
        client.delete("/order/1001")
        assert body(waiting.result(timeout=5))["status"] == "placed"
