"""gzip compression: which responses are compressed, and which are not."""

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
    """Twenty settled orders, enough for a list that is worth compressing."""
    for _ in range(20):
        place(client, tea=1, pot=1)
    settled()
    yield


@pytest.mark.parametrize("accept", ["application/json", "text/csv"])
def test_a_long_response_is_compressed(client: FlaskClient, accept: str) -> None:
    """It is smaller, has the same content when decompressed, and has Vary for caches."""
    plain = client.get("/order", headers={"Accept": accept})
    coded = client.get("/order", headers={"Accept": accept} | GZIP)
    assert coded.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(coded.data) == plain.data
    assert len(coded.data) < len(plain.data) / 3
    for response in (plain, coded):
        assert {"Accept", "Accept-Encoding"} <= set(response.vary)


@pytest.mark.parametrize(
    "accept_encoding", ["", "identity", "br", "gzip;q=0", "*;q=0", "x-gzipped"]
)
def test_only_gzip_is_offered(client: FlaskClient, accept_encoding: str) -> None:
    """A client that does not accept gzip gets the plain response."""
    response = client.get("/order", headers={"Accept-Encoding": accept_encoding})
    assert "Content-Encoding" not in response.headers
    assert response.get_json()["orders"]


def test_a_single_document_is_not_compressed(
    client: FlaskClient, settled: Callable[[], None]
) -> None:
    """Its ETag stays the one that If-Match accepts, however long the document is."""
    order = {
        "customer_name": "Ada",
        "items": [{"product": "tea", "quantity": 1}] * 50,
    }
    number = client.post("/order", json=order).get_json()["number"]
    settled()
    response = client.get(f"/order/{number}", headers=GZIP)
    assert "Content-Encoding" not in response.headers
    match = {"If-Match": response.headers["ETag"]}
    changed = client.patch(f"/order/{number}", json={"customer_name": "Eva"}, headers=match)
    assert changed.status_code == 200


@pytest.mark.parametrize("path", ["/product/tea", "/order/1001/cancel", "/nothing", "/"])
def test_short_responses_errors_and_pages_are_not_compressed(
    client: FlaskClient, path: str
) -> None:
    """Short ones gain nothing; the compressed length of a page would leak its tokens."""
    assert "Content-Encoding" not in client.get(path, headers=GZIP).headers


def test_head_has_the_length_of_the_compressed_response(client: FlaskClient) -> None:
    """HEAD has the same headers as GET, and no body."""
    got, head = client.get("/order", headers=GZIP), client.head("/order", headers=GZIP)
    assert head.data == b""
    assert head.headers["Content-Length"] == got.headers["Content-Length"] == str(len(got.data))
