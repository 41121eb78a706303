"""Limits: each caller has their own, and is told where they stand."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from freezegun import freeze_time
from freezegun.api import FrozenDateTimeFactory

from app.auth.keys import create_key
from app.config import Config
from app.server.runtime import Runtime

ELSEWHERE = {"REMOTE_ADDR": "192.0.2.1"}
Headers = dict[str, str]


@pytest.fixture
def config(config: Config) -> Config:
    """Three requests a minute with a key, two without."""
    return replace(config, caller_rate=3, address_rate=2)


@pytest.fixture
def clock() -> Iterator[FrozenDateTimeFactory]:
    """The clock stands at the begin of a minute, as far as the limits go."""
    with freeze_time("2026-11-21 10:00:00") as clock:
        assert isinstance(clock, FrozenDateTimeFactory)
        yield clock


@pytest.fixture
def key(runtime: Runtime) -> Callable[[str], Headers]:
    """A function that gives the headers of a new key."""

    def make(name: str) -> Headers:
        with runtime.store.transaction() as tx:
            return {"Authorization": f"Bearer {create_key(tx, name, 'clerk')}"}

    return make


@pytest.mark.usefixtures("clock")
class TestWithinAMinute:
    def test_a_key_has_its_limit(self, client: FlaskClient, key: Callable[[str], Headers]) -> None:
        """The fourth request is refused, and changes nothing; another key goes on."""
        till = key("till-1")
        answers = [client.get("/order", headers=till) for _ in range(3)]
        assert [each.status_code for each in answers] == [200, 200, 200]
        assert [each.headers["RateLimit"].split(";")[1] for each in answers] == [
            "r=2",
            "r=1",
            "r=0",
        ]
        refused = client.post("/order", headers=till, json={})
        assert refused.status_code == 429
        assert client.get("/order", headers=key("till-2")).status_code == 200

    def test_a_refusal_says_when_to_go_on(
        self, client: FlaskClient, key: Callable[[str], Headers]
    ) -> None:
        """As a problem of its own type, and in the fields of the draft."""
        till = key("till-1")
        refused = [client.get("/order", headers=till) for _ in range(4)][-1]
        told = refused.get_json()
        assert told["type"] == "https://iana.org/assignments/http-problem-types#quota-exceeded"
        assert told["violated-policies"] == ["caller"]
        assert refused.headers["RateLimit-Policy"] == '"caller";q=3;w=60'
        wait_s = refused.headers["Retry-After"]
        assert refused.headers["RateLimit"] == f'"caller";r=0;t={wait_s}'
        assert 1 <= int(wait_s) <= 60

    def test_who_shows_no_key_is_counted_by_address(
        self, client: FlaskClient, key: Callable[[str], Headers]
    ) -> None:
        """A wrong key counts the same; addresses that do not exist do, too."""
        key("till-1")
        wrong = {"Authorization": "Bearer x"}
        statuses = [
            client.get("/order", headers=wrong, environ_overrides=ELSEWHERE).status_code,
            client.get("/none", environ_overrides=ELSEWHERE).status_code,
            client.get("/order", environ_overrides=ELSEWHERE).status_code,
            client.get("/order", environ_overrides={"REMOTE_ADDR": "192.0.2.2"}).status_code,
        ]
        assert statuses == [401, 404, 429, 401]

    def test_a_shop_without_keys_does_not_count_its_own_machine(self, client: FlaskClient) -> None:
        answers = [client.get("/order") for _ in range(10)]
        assert {each.status_code for each in answers} == {200}
        assert "RateLimit" not in answers[0].headers
        assert {client.get("/none").status_code for _ in range(10)} == {404}

    def test_probes_are_not_counted(self, client: FlaskClient) -> None:
        """Whoever watches the shop must not be shut out by a customer at the same address."""
        answers = [client.get("/livez", environ_overrides=ELSEWHERE) for _ in range(10)]
        assert {each.status_code for each in answers} == {200}


def test_the_next_minute_begins_anew(
    client: FlaskClient, key: Callable[[str], Headers], clock: FrozenDateTimeFactory
) -> None:
    till = key("till-1")
    assert [client.get("/order", headers=till).status_code for _ in range(4)][-1] == 429
    clock.tick(60)
    assert client.get("/order", headers=till).status_code == 200


class TestUnlimited:
    @pytest.fixture
    def config(self, config: Config) -> Config:
        return replace(config, caller_rate=0, address_rate=0)

    def test_zero_is_no_limit(self, client: FlaskClient, app: Flask) -> None:
        answers = [client.get("/none", environ_overrides=ELSEWHERE) for _ in range(10)]
        assert {each.status_code for each in answers} == {404}
        assert "RateLimit" not in answers[0].headers
