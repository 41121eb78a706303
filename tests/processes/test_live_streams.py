"""Open pages hold threads of the server; they may never take those that orders need."""

from contextlib import ExitStack, closing
from http.client import HTTPConnection

import pytest

from tests.processes.clients import ORDER
from tests.processes.conftest import Serve

WORKERS, THREADS, PAGES = 2, 8, 60


@pytest.mark.deep
def test_open_pages_leave_the_orders_their_threads(serve: Serve) -> None:
    """Sixty streams are asked for; few are given, the others are told at once, orders go on."""
    server = serve(WORKERS=str(WORKERS), THREADS=str(THREADS))
    with ExitStack() as pages:
        answers = []
        for _ in range(PAGES):
            page = pages.enter_context(closing(HTTPConnection("127.0.0.1", server.port, timeout=5)))
            page.request("GET", "/live?on=orders&after=0")
            answers.append(page.getresponse())
        given = [answer for answer in answers if answer.status == 200]
        assert {answer.status for answer in answers} <= {200, 204}
        assert 1 <= len(given) <= WORKERS * THREADS // 4
        for _ in range(20):
            assert server.request("POST", "/order", ORDER)[0] == 201
        for answer in given:
            assert answer.readline() == b"retry: 1000\n"
