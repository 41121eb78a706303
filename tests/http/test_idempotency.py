"""Idempotency-Key: a POST sent again does not order again."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient
from freezegun import freeze_time
from werkzeug.test import TestResponse

from app.auth.keys import create_key
from app.config import Config
from app.http.requests.idempotency import (
    IDEMPOTENCY,
    IDEMPOTENCY_EXPIRY,
    execute_once,
    scoped_key,
)
from app.kernel import clock
from app.kernel.errors import Conflict
from app.store import Store
from app.store.expiry import delete_expired
from tests.over_http import body, read, request_for
from tests.transactions import transaction

KEY = {"Idempotency-Key": '"9f1c"'}


@pytest.fixture
def config(config: Config) -> Config:
    """With fault switches, to slow a handler down."""
    return replace(config, faults=True)


@pytest.fixture(autouse=True)
def shop(catalogue: dict[str, str]) -> Iterator[None]:
    """Every test here orders from the catalogue."""
    yield


def orders(client: FlaskClient) -> int:
    """The number of orders."""
    return len(read(client, "/order")["orders"])


def test_the_same_key_gets_the_first_response_byte_for_byte(
    client: FlaskClient, settled: Callable[[], None]
) -> None:
    """The first response comes again even after the order has changed; one order exists."""
    first = client.post("/order", json=request_for(tea=1), headers=KEY)
    settled()
    again = client.post("/order", json=request_for(tea=1), headers=KEY)
    assert (again.status_code, again.data) == (201, first.data)
    assert again.headers["Idempotency-Replayed"] == "true"
    for name in ("Location", "ETag", "Content-Type"):
        assert again.headers[name] == first.headers[name]
    assert "Idempotency-Replayed" not in first.headers
    assert orders(client) == 1


@pytest.mark.parametrize("path", ["/order", "/order/"])
@pytest.mark.parametrize("key", ["9f1c", '"9f1c"'])
def test_quotes_and_trailing_slash_do_not_make_another_key(
    client: FlaskClient, path: str, key: str
) -> None:
    """A bare key equals a quoted one, and a trailing slash does not change the scope."""
    client.post("/order", json=request_for(tea=1), headers=KEY)
    client.post(path, json=request_for(tea=1), headers={"Idempotency-Key": key})
    assert orders(client) == 1


def test_a_key_is_its_callers_own(app: Flask, client: FlaskClient) -> None:
    """Two tills with the same key and body place an order each; each gets its own repeated."""
    with transaction(app.extensions["daybook"].store) as tx:
        tills = [create_key(tx, f"till {n}", "clerk") for n in (1, 2)]
        tills.append(create_key(tx, "till 2", "manager"))

    def order(till: str) -> TestResponse:
        headers = KEY | {"Authorization": f"Bearer {till}"}
        return client.post("/order", json=request_for(tea=1), headers=headers)

    first, again = ([order(till) for till in tills] for _ in range(2))
    assert [each.status_code for each in first] == [201, 201, 201]
    assert len({each.data for each in first}) == 3
    assert [each.data for each in again] == [each.data for each in first]


def test_the_same_key_with_another_body_is_refused(client: FlaskClient) -> None:
    """422, and nothing is ordered."""
    client.post("/order", json=request_for(tea=1), headers=KEY)
    assert client.post("/order", json=request_for(tea=2), headers=KEY).status_code == 422
    assert orders(client) == 1


@pytest.mark.parametrize("refused", [{}, request_for(mug=11), request_for(unknown=1)])
def test_a_refused_request_does_not_use_its_key_up(
    client: FlaskClient, refused: dict[str, object]
) -> None:
    """After a 4xx the corrected request may use the same key."""
    assert client.post("/order", json=refused, headers=KEY).status_code in (409, 422)
    assert client.post("/order", json=request_for(tea=1), headers=KEY).status_code == 201


def test_parallel_duplicates_make_one_order(app: Flask, client: FlaskClient) -> None:
    """Fifty concurrent requests with one key make one order and get its response fifty times."""

    def order(_: int) -> bytes:
        response = app.test_client().post("/order", json=request_for(tea=1), headers=KEY)
        return bytes(response.data)

    with ThreadPoolExecutor(8) as pool:
        responses = set(pool.map(order, range(50)))
    assert len(responses) == 1
    assert orders(client) == 1


def test_the_response_after_a_wait_is_the_stored_one(client: FlaskClient) -> None:
    """With Prefer: wait the first response says confirmed, and so does the repeated one."""
    headers = KEY | {"Prefer": "wait=10"}
    first = client.post("/order", json=request_for(tea=1), headers=headers)
    again = client.post("/order", json=request_for(tea=1), headers=headers)
    assert body(first)["status"] == "confirmed"
    assert again.data == first.data
    assert again.headers["Preference-Applied"] == first.headers["Preference-Applied"]


def test_a_duplicate_gets_409_while_the_first_request_waits(
    app: Flask, client: FlaskClient
) -> None:
    """409 with Retry-After, because the first response is not complete."""
    client.put("/fault/inventory", json={"mode": "slow", "delay_s": 60})
    headers = KEY | {"Prefer": "wait=10"}

    def order(client: FlaskClient) -> TestResponse:
        return client.post("/order", json=request_for(tea=1), headers=headers)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(order, app.test_client())
        while not orders(client):
            assert not first.done()
        again = order(client)
        assert (again.status_code, again.headers["Retry-After"]) == (409, "1")
        client.delete("/order/1001")  # which ends the wait
    assert order(client).data == first.result().data


def test_the_response_of_a_request_that_died_waiting_is_repeated(app: Flask) -> None:
    """The response stored with the order counts once the wait must be over."""
    store, key = app.extensions["daybook"].store, scoped_key("POST /order", "9f1c", b"{}")

    def ask() -> Response:
        return execute_once(store, key, lambda tx: Response("placed", 201), pending_s=10)

    ask()
    with pytest.raises(Conflict):
        ask()
    with freeze_time(timedelta(seconds=11)):
        assert ask().get_data() == b"placed"


def test_a_key_expires_after_24_hours(app: Flask, client: FlaskClient) -> None:
    """The key then orders again, whether the expired one was deleted or not."""
    old = client.post("/order", json=request_for(tea=1), headers=KEY)
    with freeze_time(timedelta(hours=25), tick=True):
        again = client.post("/order", json=request_for(tea=1), headers=KEY)
    assert "Idempotency-Replayed" not in again.headers
    assert body(again)["number"] == body(old)["number"] + 1


def test_expired_keys_are_deleted(app: Flask) -> None:
    """One that was used again in the meantime is none of them."""
    store = app.extensions["daybook"].store

    def ask(name: str) -> None:
        execute_once(store, scoped_key("POST /order", name, b"{}"), lambda tx: Response("placed"))

    with freeze_time(timedelta(hours=-25)):
        ask("a")
        ask("b")
    ask("a")
    assert delete_expired(store, IDEMPOTENCY_EXPIRY)
    assert stored_keys(store) == ["POST /order a"]


def test_a_key_used_while_the_clock_was_ahead_expires(app: Flask) -> None:
    """A key of 2036 orders again in 2026, also while its request waits; all such keys go."""
    store = app.extensions["daybook"].store

    def ask(name: str) -> bytes:
        key = scoped_key("POST /order", name, b"{}")
        response = execute_once(store, key, lambda tx: Response(clock.now()), pending_s=10)
        return response.get_data()

    with freeze_time("2036-11-21T09:00:00Z"):
        assert ask("a") == ask_later(ask, "a") == b"2036-11-21T09:00:00.000Z"
        ask("b")
    with freeze_time("2026-11-21T09:00:00Z"):
        assert ask("a") == b"2026-11-21T09:00:00.000Z"
        assert delete_expired(store, IDEMPOTENCY_EXPIRY)
    assert stored_keys(store) == ["POST /order a"]


def stored_keys(store: Store) -> list[str]:
    """The stored keys, oldest first."""
    with store.read() as view:
        return [entry["key"] for entry in view.find(IDEMPOTENCY.name).documents]


def test_a_clock_that_steps_back_repeats_no_order(app: Flask) -> None:
    """A key stays used when the clock is set back by a second, and nothing is in progress then."""
    store, key = app.extensions["daybook"].store, scoped_key("POST /order", "9f1c", b"{}")
    with freeze_time("2026-11-21T09:00:00Z") as frozen:
        execute_once(store, key, lambda tx: Response("first"), pending_s=10)
        frozen.tick(timedelta(seconds=-1))
        assert execute_once(store, key, lambda tx: Response("second")).get_data() == b"first"


def ask_later(ask: Callable[[str], bytes], name: str) -> bytes:
    """What `ask` returns when the first request must be over."""
    with freeze_time("2036-11-21T09:00:11Z"):
        return ask(name)
