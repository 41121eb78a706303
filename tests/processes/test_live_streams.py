"""Event streams hold threads of the server, and leave enough of them for orders."""

from contextlib import ExitStack, closing
from http.client import HTTPConnection

import pytest

from tests.processes.clients import ORDER
from tests.processes.conftest import Serve
from tests.processes.servers import PATIENCE_S

WORKERS, THREADS, PAGES = 2, 8, 60


@pytest.mark.deep
def test_event_streams_leave_threads_for_orders(serve: Serve) -> None:
    """Of sixty requested streams few open, the others get a 204 at once, and orders go on."""
    server = serve(WORKERS=str(WORKERS), THREADS=str(THREADS))
    with ExitStack() as pages:
        answers = []
        for _ in range(PAGES):
            page = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
            pages.enter_context(closing(page))
            page.request("GET", "/live?on=orders&after=0")
            answers.append(page.getresponse())
        given = [answer for answer in answers if answer.status == 200]
        assert {answer.status for answer in answers} <= {200, 204}
        assert 1 <= len(given) <= WORKERS * THREADS // 4
        for _ in range(20):
            assert server.request("POST", "/order", ORDER)[0] == 201
        for answer in given:
            assert answer.readline() == b"retry: 1000\n"
