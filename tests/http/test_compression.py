"""gzip: where it pays, and nowhere else."""

import gzip
from collections.abc import Callable, Iterator

import pytest
from flask.testing import FlaskClient

from tests.over_http import place

GZIP = {"Accept-Encoding": "gzip, deflate, br"}


@pytest.fixture(autouse=True)
def shop(
    client: FlaskClient, catalogue: dict[str, str], settled: Callable[[], None]
) -> Iterator[None]:
    """Twenty orders, with which nothing happens any more: a list that is worth it."""
    for _ in range(20):
        place(client, tea=1, pot=1)
    settled()
    yield


@pytest.mark.parametrize("accept", ["application/json", "text/csv"])
def test_a_long_answer_is_coded_and_reads_the_same(client: FlaskClient, accept: str) -> None:
    """A fraction of the length, the same content, and caches are told."""
    plain = client.get("/order", headers={"Accept": accept})
    coded = client.get("/order", headers={"Accept": accept} | GZIP)
    assert coded.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(coded.data) == plain.data
    assert len(coded.data) < len(plain.data) / 3
    for answer in (plain, coded):
        assert {"Accept", "Accept-Encoding"} <= set(answer.vary)


@pytest.mark.parametrize(
    "accept_encoding", ["", "identity", "br", "gzip;q=0", "*;q=0", "x-gzipped"]
)
def test_nobody_gets_what_they_do_not_take(client: FlaskClient, accept_encoding: str) -> None:
    """Only gzip is offered, and only to those who take it."""
    answer = client.get("/order", headers={"Accept-Encoding": accept_encoding})
    assert "Content-Encoding" not in answer.headers
    assert answer.get_json()["orders"]


def test_a_document_keeps_its_version_as_etag(
    client: FlaskClient, settled: Callable[[], None]
) -> None:
    """However long: the ETag that GET gives is the one that If-Match takes."""
    order = {
        "customer_name": "Ada",
        "items": [{"product": "tea", "quantity": 1}] * 50,
    }
    number = client.post("/order", json=order).get_json()["number"]
    settled()
    answer = client.get(f"/order/{number}", headers=GZIP)
    assert "Content-Encoding" not in answer.headers
    match = {"If-Match": answer.headers["ETag"]}
    changed = client.patch(f"/order/{number}", json={"customer_name": "Eva"}, headers=match)
    assert changed.status_code == 200


@pytest.mark.parametrize("path", ["/product/tea", "/order/1001/cancel", "/nothing", "/"])
def test_short_answers_problems_and_pages_are_sent_as_they_are(
    client: FlaskClient, path: str
) -> None:
    """Tiny ones gain nothing; pages have tokens in them, which a coded length would give away."""
    assert "Content-Encoding" not in client.get(path, headers=GZIP).headers


def test_head_tells_the_length_of_the_coded_answer(client: FlaskClient) -> None:
    """The same headers as GET, no body."""
    got, head = client.get("/order", headers=GZIP), client.head("/order", headers=GZIP)
    assert head.data == b""
    assert head.headers["Content-Length"] == got.headers["Content-Length"] == str(len(got.data))
