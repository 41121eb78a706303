"""Idempotency-Key: a POST may be sent again without ordering again."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient
from freezegun import freeze_time
from werkzeug.test import TestResponse

from app.config import Config
from app.http.requests.idempotency import FORGOTTEN_AT_ONCE, IDEMPOTENCY, key_of, once, remember
from app.kernel.errors import Conflict
from tests.over_http import body, read, request_for

KEY = {"Idempotency-Key": '"9f1c"'}


@pytest.fixture
def config(config: Config) -> Config:
    """With fault switches, to have a handler take its time."""
    return replace(config, faults=True)


@pytest.fixture(autouse=True)
def shop(catalogue: dict[str, str]) -> Iterator[None]:
    """Every test here orders from the catalogue."""
    yield


def orders(client: FlaskClient) -> int:
    """How many orders there are."""
    return len(read(client, "/order")["orders"])


def test_the_same_key_repeats_the_first_answer_byte_for_byte(
    client: FlaskClient, settled: Callable[[], None]
) -> None:
    """The repeated answer is the first one, even when the order has moved on; one order exists."""
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
    """A bare key is the same as a quoted one, and the address is the same with a slash."""
    client.post("/order", json=request_for(tea=1), headers=KEY)
    client.post(path, json=request_for(tea=1), headers={"Idempotency-Key": key})
    assert orders(client) == 1


def test_the_same_key_with_another_body_is_refused(client: FlaskClient) -> None:
    """422, and nothing is ordered: the client has mixed up two requests."""
    client.post("/order", json=request_for(tea=1), headers=KEY)
    assert client.post("/order", json=request_for(tea=2), headers=KEY).status_code == 422
    assert orders(client) == 1


@pytest.mark.parametrize("refused", [{}, request_for(mug=11), request_for(unknown=1)])
def test_a_refused_request_does_not_use_its_key_up(
    client: FlaskClient, refused: dict[str, object]
) -> None:
    """After a 4xx the corrected request may carry the same key."""
    assert client.post("/order", json=refused, headers=KEY).status_code in (409, 422)
    assert client.post("/order", json=request_for(tea=1), headers=KEY).status_code == 201


def test_parallel_duplicates_make_one_order(app: Flask, client: FlaskClient) -> None:
    """Fifty at once with one key: one order, and fifty times its answer."""

    def order(_: int) -> bytes:
        answer = app.test_client().post("/order", json=request_for(tea=1), headers=KEY)
        return bytes(answer.data)

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(order, range(50)))
    assert len(answers) == 1
    assert orders(client) == 1


def test_an_answer_that_waited_is_the_one_that_is_repeated(client: FlaskClient) -> None:
    """With Prefer: wait the first answer says confirmed, and so does its repetition."""
    headers = KEY | {"Prefer": "wait=10"}
    first = client.post("/order", json=request_for(tea=1), headers=headers)
    again = client.post("/order", json=request_for(tea=1), headers=headers)
    assert body(first)["status"] == "confirmed"
    assert again.data == first.data
    assert again.headers["Preference-Applied"] == first.headers["Preference-Applied"]


def test_a_duplicate_is_put_off_while_the_first_still_waits(
    app: Flask, client: FlaskClient
) -> None:
    """409 with Retry-After: what the first answer will be is not known yet."""
    client.put("/fault/inventory", json={"mode": "slow", "delay_s": 1})
    headers = KEY | {"Prefer": "wait=10"}

    def order(client: FlaskClient) -> TestResponse:
        return client.post("/order", json=request_for(tea=1), headers=headers)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(order, app.test_client())
        while not orders(client):
            assert not first.done()
        again = order(client)
        assert (again.status_code, again.headers["Retry-After"]) == (409, "1")
    assert body(first.result())["status"] == "confirmed"
    assert order(client).data == first.result().data


def test_a_first_request_that_died_waiting_has_its_answer_repeated_later(app: Flask) -> None:
    """What was stored with the order counts once the wait must be over."""
    store, key = app.extensions["daybook"].store, key_of("POST /order", "9f1c", b"{}")

    def ask() -> Response:
        return once(store, key, lambda tx: Response("placed", 201), under_way_s=10)

    ask()
    with pytest.raises(Conflict):
        ask()
    with freeze_time(timedelta(seconds=11)):
        assert ask().get_data() == b"placed"


def test_a_pile_of_old_keys_goes_soon(app: Flask, client: FlaskClient) -> None:
    """A busy day's keys do not stay for ever in a shop that has become quiet."""
    store = app.extensions["daybook"].store
    with freeze_time(timedelta(hours=-25)), store.transaction() as tx:
        for n in range(FORGOTTEN_AT_ONCE + 10):
            remember(tx, key_of("POST /order", f"old-{n}", b"{}"), Response("placed", 201))
    for left in (11, 2):
        client.post("/order", json=request_for(tea=1), headers={"Idempotency-Key": f"new-{left}"})
        with store.read() as view:
            assert view.count(IDEMPOTENCY.name) == left


def test_a_key_is_forgotten_after_a_day(app: Flask, client: FlaskClient) -> None:
    """24 hours later the key orders again, and old keys leave the file."""
    client.post("/order", json=request_for(tea=1), headers={"Idempotency-Key": "old-1"})
    client.post("/order", json=request_for(tea=1), headers={"Idempotency-Key": "old-2"})
    with freeze_time(timedelta(hours=25), tick=True):
        again = client.post("/order", json=request_for(tea=1), headers={"Idempotency-Key": "old-1"})
    assert "Idempotency-Replayed" not in again.headers
    with app.extensions["daybook"].store.read() as view:
        assert [entry["key"] for entry in view.find(IDEMPOTENCY.name).documents] == [
            "POST /order old-1"
        ]
