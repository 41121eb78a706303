"""What other web sites may not do through a visitor's browser."""

from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from app import create_app
from app.config import Config
from app.http.security.origin import SECURITY_HEADERS


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8000", "LOCALHOST", "127.0.0.1:8000", "[::1]", "[::1]:8000"],
)
def test_this_machine_answers_to_its_own_names(client: FlaskClient, host: str) -> None:
    """Without a setting these, and the name it listens on, are its names."""
    assert client.get("/order", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.example#localhost",
        "localhost@evil.example",
        "[::1",
        "[::2]",
        "",
        " ",
    ],
)
def test_other_host_names_are_refused(client: FlaskClient, host: str) -> None:
    """So a site whose name points here (DNS rebinding) reads and changes nothing."""
    answer = client.get("/order", headers={"Host": host})
    assert answer.status_code in (400, 421)
    assert answer.mimetype == "application/problem+json"


def test_a_shop_answers_to_the_names_that_are_set(config: Config) -> None:
    """Only to these."""
    app = create_app(replace(config, trusted_hosts=frozenset({"shop.example"})))
    client = app.test_client()
    assert client.get("/order", headers={"Host": "shop.example"}).status_code == 200
    assert client.get("/order", headers={"Host": "localhost"}).status_code == 421
    app.extensions["daybook"].close()


@pytest.mark.parametrize("path", ["/order", "/order/none", "/none"])
def test_answers_tell_browsers_to_be_careful(client: FlaskClient, path: str) -> None:
    """Errors too."""
    headers = client.get(path).headers
    assert {name: headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS


def test_pages_say_themselves_what_they_load(client: FlaskClient) -> None:
    """A page keeps its own policy, which allows its own style."""
    policy = client.get("/").headers["Content-Security-Policy"]
    assert "style-src 'self'" in policy
