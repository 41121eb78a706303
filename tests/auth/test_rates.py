"""Rate limits: each caller has a quota of its own, shown in the response headers."""

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
from tests.transactions import transaction

ELSEWHERE = {"REMOTE_ADDR": "192.0.2.1"}
Headers = dict[str, str]


@pytest.fixture
def config(config: Config) -> Config:
    """Three requests a minute with a key, two without."""
    return replace(config, caller_rate=3, address_rate=2)


@pytest.fixture
def clock() -> Iterator[FrozenDateTimeFactory]:
    """A frozen clock at the start of a rate limit window."""
    with freeze_time("2026-11-21 10:00:00") as clock:
        assert isinstance(clock, FrozenDateTimeFactory)
        yield clock


@pytest.fixture
def key(runtime: Runtime) -> Callable[[str], Headers]:
    """A function that returns the headers of a new key."""

    def make(name: str) -> Headers:
        with transaction(runtime.store) as tx:
            return {"Authorization": f"Bearer {create_key(tx, name, 'clerk')}"}

    return make


@pytest.mark.usefixtures("clock")
class TestWithinAMinute:
    def test_a_key_has_a_quota(self, client: FlaskClient, key: Callable[[str], Headers]) -> None:
        """The fourth request is refused and changes nothing; another key goes on."""
        till = key("till-1")
        responses = [client.get("/order", headers=till) for _ in range(3)]
        assert [each.status_code for each in responses] == [200, 200, 200]
        assert [each.headers["RateLimit"].split(";")[1] for each in responses] == [
            "r=2",
            "r=1",
            "r=0",
        ]
        refused = client.post("/order", headers=till, json={})
        assert refused.status_code == 429
        assert client.get("/order", headers=key("till-2")).status_code == 200

    def test_a_refusal_has_retry_after(
        self, client: FlaskClient, key: Callable[[str], Headers]
    ) -> None:
        """It has the problem type and the header fields of the draft."""
        till = key("till-1")
        refused = [client.get("/order", headers=till) for _ in range(4)][-1]
        told = refused.get_json()
        assert told["type"] == "https://iana.org/assignments/http-problem-types#quota-exceeded"
        assert told["violated-policies"] == ["caller"]
        assert refused.headers["RateLimit-Policy"] == '"caller";q=3;w=60'
        wait_s = refused.headers["Retry-After"]
        assert refused.headers["RateLimit"] == f'"caller";r=0;t={wait_s}'
        assert 1 <= int(wait_s) <= 60

    def test_a_caller_without_a_key_is_counted_by_address(
        self, client: FlaskClient, key: Callable[[str], Headers]
    ) -> None:
        """A request with a wrong key or to an unknown path counts for its address, too."""
        key("till-1")
        wrong = {"Authorization": "Bearer x"}
        statuses = [
            client.get("/order", headers=wrong, environ_overrides=ELSEWHERE).status_code,
            client.get("/none", environ_overrides=ELSEWHERE).status_code,
            client.get("/order", environ_overrides=ELSEWHERE).status_code,
            client.get("/order", environ_overrides={"REMOTE_ADDR": "192.0.2.2"}).status_code,
        ]
        assert statuses == [401, 404, 429, 401]

    def test_a_shop_without_keys_does_not_count_local_requests(self, client: FlaskClient) -> None:
        """A local request to an unknown path is not counted either."""
        responses = [client.get("/order") for _ in range(10)]
        assert {each.status_code for each in responses} == {200}
        assert "RateLimit" not in responses[0].headers
        assert {client.get("/none").status_code for _ in range(10)} == {404}

    def test_probes_are_not_counted(self, client: FlaskClient) -> None:
        """Other callers at the address of the monitoring must not cause a 429."""
        responses = [client.get("/livez", environ_overrides=ELSEWHERE) for _ in range(10)]
        assert {each.status_code for each in responses} == {200}


def test_the_next_minute_has_a_new_quota(
    client: FlaskClient, key: Callable[[str], Headers], clock: FrozenDateTimeFactory
) -> None:
    """A refused key may send again."""
    till = key("till-1")
    assert [client.get("/order", headers=till).status_code for _ in range(4)][-1] == 429
    clock.tick(60)
    assert client.get("/order", headers=till).status_code == 200


class TestUnlimited:
    @pytest.fixture
    def config(self, config: Config) -> Config:
        return replace(config, caller_rate=0, address_rate=0)

    def test_zero_is_no_limit(self, client: FlaskClient, app: Flask) -> None:
        responses = [client.get("/none", environ_overrides=ELSEWHERE) for _ in range(10)]
        assert {each.status_code for each in responses} == {404}
        assert "RateLimit" not in responses[0].headers
