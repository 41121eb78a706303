"""Figures and probes of real servers, with several workers."""

from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

from tests.observability.conftest import Figures, parsed
from tests.processes.conftest import Serve, data, serve
from tests.processes.servers import PATIENCE_S, Server, children, kill, wait_for

__all__ = ["data", "serve"]  # fixtures

ORDER = {"customer_name": "Ada", "items": [{"product": "tea", "quantity": 1}]}
BILLED = 'daybook_deliveries_total{handler="billing",outcome="done"}'
PLACED = 'daybook_http_request_duration_seconds_count{method="POST",route="/order",status="201"}'


def figures(server: Server) -> Figures:
    """What any one of the workers says for all."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        assert answer.status == 200
        return parsed(answer.read().decode())
    finally:
        connection.close()


def test_the_figures_are_those_of_all_processes(serve: Serve) -> None:
    """Whichever worker is asked: requests of each, and the deliveries of the one that leads."""
    server = serve(WORKERS="3")
    for _ in range(30):
        assert server.request("POST", "/order", ORDER)[0] == 201
    wait_for("the bills are made", lambda: figures(server)[BILLED] == 30)
    assert {figures(server)[PLACED] for _ in range(10)} == {30}


def test_what_a_dead_process_counted_stays(serve: Serve) -> None:
    """A counter never falls; what the dead ones said of the present goes."""
    server = serve()
    for _ in range(10):
        assert server.request("POST", "/order", ORDER)[0] == 201
    wait_for("the bills are made", lambda: figures(server)[BILLED] == 10)
    page = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    page.request("GET", "/live?on=products", headers={"Accept": "text/event-stream"})
    with closing(page), page.getresponse():
        assert figures(server)["daybook_live_streams"] == 1
        for each in children(server.pid):
            kill(each)
            wait_for("it is ready", lambda: _is_ready(server))
    found = figures(server)
    assert found[PLACED] == found[BILLED] == 10
    assert found["daybook_live_streams"] == 0


def test_a_new_start_begins_at_zero_and_leaves_nothing(serve: Serve) -> None:
    """Also after a server that was killed, and could not clean up."""
    server = serve(WORKERS="1")
    assert server.request("POST", "/order", ORDER)[0] == 201
    (killed,) = _folders_of(server)
    server.kill()
    assert killed.exists()
    server.start()
    assert not killed.exists()
    assert figures(server).get(PLACED, 0) == 0
    (stopped,) = _folders_of(server)
    assert server.stop() == 0
    assert not stopped.exists()


def _is_ready(server: Server) -> bool:
    try:
        return server.request("GET", "/readyz")[0] == 200
    except OSError:
        return False


def _folders_of(server: Server) -> list[Path]:
    """The folders in memory that a server has for its figures."""
    return list(Path("/dev/shm").glob(f"daybook-metrics-{server.pid}-*"))
