"""/livez and /readyz: the probes of a load balancer."""

from collections.abc import Callable
from time import time
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.auth.keys import create_key
from app.http.responses.problems import MEDIA_TYPE
from app.kernel.release import VERSION
from app.observability.metrics import Heartbeat
from app.observability.readiness import run_checks
from app.server.runtime import Runtime
from tests.over_http import body, read, request_for
from tests.processes.servers import wait_for
from tests.store.faults import full_disk, no_rights
from tests.transactions import transaction

LIMIT_S = 30.0
ALL = ["store", "leader", "delay"]


@pytest.fixture
def leading(runtime: Runtime) -> None:
    """The dispatcher of the test's application leads."""
    runtime.start()
    wait_for("a dispatcher delivers", runtime.store.are_shards_leased)


def failed(answer: dict[str, Any]) -> list[str]:
    """Return the names of the failed checks."""
    return [each["name"] for each in answer["checks"] if not each["ok"]]


@pytest.mark.usefixtures("leading")
def test_a_working_shop_is_live_and_ready(client: FlaskClient) -> None:
    assert read(client, "/livez") == {"live": True, "version": VERSION}
    answer = read(client, "/readyz")
    assert answer["ready"]
    assert [each["name"] for each in answer["checks"]] == ALL
    assert failed(answer) == []


@pytest.mark.usefixtures("catalogue", "leading")
def test_a_full_disk_makes_the_shop_unready_until_there_is_room(client: FlaskClient) -> None:
    """The 503 names the check and the reason; the process stays live."""
    with full_disk(1000):
        assert client.post("/order", json=request_for(tea=1)).status_code == 507
        refused = client.get("/readyz")
        assert client.get("/livez").status_code == 200
    assert (refused.status_code, refused.mimetype) == (503, MEDIA_TYPE)
    assert failed(body(refused)) == ["store"]
    assert body(refused)["detail"].startswith("The disk is full")
    assert refused.headers["Retry-After"]
    assert failed(read(client, "/readyz")) == []


@pytest.mark.usefixtures("leading")
def test_a_file_of_another_user_makes_the_shop_unready_at_once(
    client: FlaskClient, runtime: Runtime
) -> None:
    """A command that root runs may have left it; no order has failed yet."""
    with no_rights(runtime.config.data / "store.lock"):
        refused = client.get("/readyz")
    assert refused.status_code == 503
    assert failed(body(refused)) == ["store"]
    assert failed(read(client, "/readyz")) == []


def test_a_shop_without_leader_is_not_ready(runtime: Runtime) -> None:
    """It would accept orders and deliver none of their events."""
    found = run_checks(runtime.store, lambda: None, LIMIT_S)
    assert [each.name for each in found if not each.ok] == ["leader"]


@pytest.mark.parametrize(
    ("silent_s", "due_s", "is_late"),
    [
        (0.0, 0.0, False),
        (0.0, 25.0, False),
        (0.0, 31.0, True),
        (31.0, 0.0, True),
        (16, 16, True),
        (-1e8, 0, True),
    ],
)
def test_late_deliveries_make_the_shop_unready(
    runtime: Runtime, silent_s: float, due_s: float, is_late: bool
) -> None:
    """The time since the last heartbeat counts as delay, and so does one in the future."""
    heartbeat = Heartbeat(seen=time() - silent_s, due_s=due_s)
    found = {each.name: each for each in run_checks(runtime.store, lambda: heartbeat, LIMIT_S)}
    assert found["delay"].ok != is_late
    assert ("DAYBOOK_READY_DELAY_S allows 30" in found["delay"].detail) == is_late


def test_probes_need_no_key(client: FlaskClient, runtime: Runtime) -> None:
    """A load balancer on any machine may ask, without a secret."""
    with transaction(runtime.store) as tx:
        create_key(tx, "till-1", "clerk")
    for path in ("/livez", "/readyz"):
        answer = client.get(path, environ_overrides={"REMOTE_ADDR": "192.0.2.7"})
        assert answer.status_code in (200, 503)


@pytest.mark.usefixtures("no_checkpoints")
def test_probes_write_nothing(
    client: FlaskClient, runtime: Runtime, settled: Callable[[], None]
) -> None:
    """Probes and scrapes run every few seconds, for years."""
    settled()
    journal = runtime.config.data / "journal"
    position = runtime.store.position()
    before = {file: file.stat().st_size for file in journal.iterdir()}
    for path in ("/livez", "/readyz", "/metrics"):
        client.get(path)
    assert runtime.store.position() == position
    assert {file: file.stat().st_size for file in journal.iterdir()} == before
