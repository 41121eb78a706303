"""Long polling: Prefer: wait=N on POST /order."""

from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import create_app
from app.config import Config
from app.http.requests import long_poll
from tests.conftest import PATIENCE_S
from tests.over_http import body, read, request_for


@pytest.fixture
def config(config: Config) -> Config:
    """With fault switches, to slow a handler down."""
    return replace(config, faults=True)


@pytest.fixture(autouse=True)
def shop(catalogue: dict[str, str]) -> Iterator[None]:
    """Every test here orders from the catalogue."""
    yield


@pytest.mark.parametrize(("sku", "status"), [("mug", "confirmed"), ("pot", "backordered")])
def test_the_response_after_a_wait_has_the_handled_order(
    client: FlaskClient, sku: str, status: str
) -> None:
    """It is the order after its handlers, with the ETag of that version."""
    response = client.post("/order", json=request_for(**{sku: 3}), headers={"Prefer": "wait=10"})
    assert (response.status_code, body(response)["status"]) == (201, status)
    assert response.headers["ETag"] == f'"{body(response)["version"]}"'
    assert response.headers["Location"] == f"/order/{body(response)['order_id']}"
    assert response.headers["Preference-Applied"] == "wait=10"


def test_a_wait_ends_after_its_time(client: FlaskClient) -> None:
    """The response then has the order as it was placed."""
    client.put("/fault/inventory", json={"mode": "slow", "delay_s": 60})
    response = client.post("/order", json=request_for(tea=1), headers={"Prefer": "wait=1"})
    assert (response.status_code, body(response)["status"]) == (201, "placed")
    assert response.headers["Preference-Applied"] == "wait=1"


@pytest.mark.parametrize(
    "preference",
    [
        *("wait", "wait=0", "wait=-1", "wait=soon", "wait=\u00b2", "respond-async", ""),
        *("wait=0, wait=10", "wait=soon, wait=10", 'note="a, wait=10"'),
    ],
)
def test_a_malformed_preference_is_ignored(client: FlaskClient, preference: str) -> None:
    """The response comes at once, without Preference-Applied (RFC 7240)."""
    response = client.post("/order", json=request_for(tea=1), headers={"Prefer": preference})
    assert (response.status_code, body(response)["status"]) == (201, "placed")
    assert "Preference-Applied" not in response.headers


@pytest.mark.parametrize(
    "preference",
    ["Wait=10", "respond-async, wait=10", 'wait="10"', "wait=10, wait=0", "wait=10; by=till"],
)
def test_a_preference_is_read_in_any_form(client: FlaskClient, preference: str) -> None:
    """Names are case-insensitive, values may be quoted, and other preferences may come first."""
    response = client.post("/order", json=request_for(tea=1), headers={"Prefer": preference})
    assert (body(response)["status"], response.headers["Preference-Applied"]) == (
        "confirmed",
        "wait=10",
    )


@pytest.mark.parametrize(("threads", "places"), [(1, 0), (4, 1), (16, 4)])
def test_only_a_quarter_of_the_threads_may_wait(
    config: Config, catalogue: dict[str, str], threads: int, places: int
) -> None:
    """A request over that limit gets its response at once."""
    app = create_app(replace(config, threads=threads))
    headers = {"Prefer": "wait=10"}

    def order() -> TestResponse:
        return app.test_client().post("/order", json=request_for(tea=1), headers=headers)

    client = app.test_client()
    try:
        client.put("/fault/inventory", json={"mode": "slow", "delay_s": 60})
        with ThreadPoolExecutor(places + 1) as pool:
            asked = [pool.submit(order) for _ in range(places + 1)]
            answered, waiting = wait(asked, return_when=FIRST_COMPLETED)
            (last,) = (each.result() for each in answered)
            assert (last.status_code, body(last)["status"]) == (201, "placed")
            assert "Preference-Applied" not in last.headers
            for listed in read(client, "/order")["orders"]:
                client.delete(f"/order/{listed['number']}")
            assert all("Preference-Applied" in each.result().headers for each in waiting)
    finally:
        app.extensions["daybook"].close()


def test_a_wait_for_an_order_that_is_deleted_meanwhile_ends(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The response has the order as it was placed."""
    monkeypatch.setattr(long_poll, "MAX_WAIT_S", 2 * PATIENCE_S)
    client.put("/fault/inventory", json={"mode": "slow", "delay_s": 60})

    def order() -> TestResponse:
        headers = {"Prefer": "wait=600"}
        return app.test_client().post("/order", json=request_for(tea=1), headers=headers)

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(order)
        while not read(client, "/order")["orders"]:
            assert not waiting.done()
        client.delete("/order/1001")
        assert body(waiting.result(PATIENCE_S))["status"] == "placed"
