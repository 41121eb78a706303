"""Metrics of real servers with several workers."""

from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from app.observability.multiprocess import FOLDER, metric_files
from tests.observability.conftest import Samples, parse
from tests.processes.conftest import Serve, data, serve
from tests.processes.servers import PATIENCE_S, Server, children, kill, wait_for

pytestmark = pytest.mark.deep

__all__ = ["data", "serve"]  # fixtures

ORDER = {"customer_name": "Ada", "items": [{"product": "tea", "quantity": 1}]}
BILLED = 'daybook_deliveries_total{handler="billing",outcome="done"}'
PLACED = 'daybook_http_request_duration_seconds_count{method="POST",route="/order",status="201"}'


def read_metrics(server: Server) -> Samples:
    """Read the metrics of all workers from one of them."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        assert answer.status == 200
        return parse(answer.read().decode())
    finally:
        connection.close()


def test_the_metrics_are_the_sums_over_all_processes(serve: Serve) -> None:
    """Any worker reports the requests of each one and the deliveries of the delivery worker."""
    server = serve(WORKERS="3")
    for _ in range(30):
        assert server.request("POST", "/order", ORDER)[0] == 201
    wait_for("every order is billed", lambda: read_metrics(server)[BILLED] == 30)
    assert {read_metrics(server)[PLACED] for _ in range(10)} == {30}


def test_counters_of_a_dead_process_stay(serve: Serve) -> None:
    """A counter never falls; the gauges of a dead process go."""
    server = serve()
    for _ in range(10):
        assert server.request("POST", "/order", ORDER)[0] == 201
    wait_for("every order is billed", lambda: read_metrics(server)[BILLED] == 10)
    page = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    page.request("GET", "/live?on=products", headers={"Accept": "text/event-stream"})
    with closing(page), page.getresponse():
        assert read_metrics(server)["daybook_live_streams"] == 1
        for each in children(server.pid):
            kill(each)
            wait_for("it is ready", lambda: _is_ready(server))
    wait_for(
        "the gauges of the dead are gone",
        lambda: read_metrics(server)["daybook_live_streams"] == 0,
    )
    found = read_metrics(server)
    assert found[PLACED] == found[BILLED] == 10


def test_a_process_that_has_not_counted_yet_ends_no_scrape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file is empty for a moment, and for ever when it is killed then."""
    monkeypatch.setenv(FOLDER, str(tmp_path))
    (tmp_path / "counter_1.db").touch()
    (tmp_path / "counter_2.db").symlink_to(tmp_path / "removed")
    assert metric_files("counter_*") == []


def test_a_new_server_counts_from_zero_and_leaves_no_files(serve: Serve) -> None:
    """It also removes the files of a server that was killed."""
    server = serve(WORKERS="1")
    assert server.request("POST", "/order", ORDER)[0] == 201
    (killed,) = _folders_of(server)
    server.kill()
    assert killed.exists()
    server.start()
    assert not killed.exists()
    assert read_metrics(server).get(PLACED, 0) == 0
    (stopped,) = _folders_of(server)
    assert server.stop() == 0
    assert not stopped.exists()


def _is_ready(server: Server) -> bool:
    try:
        return server.request("GET", "/readyz")[0] == 200
    except OSError:
        return False


def _folders_of(server: Server) -> list[Path]:
    """Return the folders of this server's metrics in memory."""
    return list(Path("/dev/shm").glob(f"daybook-metrics-{server.pid}-*"))
