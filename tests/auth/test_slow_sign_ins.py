"""Sign-ins that wait for a password hash or for the provider, while orders are placed."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import create_app
from app.auth import passwords
from app.auth.keys import create_key
from app.config import Config
from app.http.security.quotas import COUNTS
from app.server.runtime import Runtime
from tests.auth.people import make_user
from tests.conftest import PATIENCE_S
from tests.over_http import request_for
from tests.processes.servers import wait_for
from tests.transactions import transaction
from tests.web.page import Page


@pytest.fixture
def config(config: Config) -> Config:
    """A shop that processes one request at a time."""
    return replace(config, threads=1)


@pytest.fixture
def key(app: Flask, runtime: Runtime, catalogue: dict[str, str]) -> dict[str, str]:
    """The headers of a till; the shop has a user too."""
    make_user(app, "ada", "clerk")
    with transaction(runtime.store) as tx:
        return {"Authorization": f"Bearer {create_key(tx, 'till-1', 'clerk')}"}


@pytest.fixture
def busy_hashing() -> Iterator[ExitStack]:
    """All slots for password hashes are taken until the stack is closed."""
    with ExitStack() as stack:
        for _ in range(passwords.HASHES_AT_ONCE):
            stack.enter_context(passwords.HASHING.slot())
        yield stack


class HangingProvider:
    """A provider that does not answer a request before `answer` is set, and then with an error."""

    def __init__(self) -> None:
        self.asked = threading.Semaphore(0)
        self.answer = threading.Event()
        self.requests = 0
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.requests += 1
                provider.asked.release()
                provider.answer.wait(PATIENCE_S)
                self.send_error(500)

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        self.server = ThreadingHTTPServer(("localhost", 0), Handler)


@pytest.fixture
def provider() -> Iterator[HangingProvider]:
    """A provider that hangs."""
    provider = HangingProvider()
    thread = threading.Thread(target=provider.server.serve_forever, args=(0.01,))
    thread.start()
    yield provider
    provider.answer.set()
    provider.server.shutdown()
    provider.server.server_close()
    thread.join()


@pytest.fixture
def app_with_provider(config: Config, provider: HangingProvider) -> Iterator[Flask]:
    """A shop with that provider."""
    settings = replace(
        config,
        oidc_issuer=f"http://localhost:{provider.server.server_port}",
        oidc_client_id="daybook",
        oidc_client_secret="secret",
        oidc_roles={"a": "clerk"},
    )
    app = create_app(settings)
    yield app
    app.extensions["daybook"].close()


def in_thread(send: Callable[[], TestResponse]) -> tuple[threading.Thread, list[TestResponse]]:
    """A thread that sends a request, and the list in which its response will be."""
    responses: list[TestResponse] = []
    thread = threading.Thread(target=lambda: responses.append(send()))
    thread.start()
    return thread, responses


def sign_in_form(client: FlaskClient) -> dict[str, str]:
    """The form of the sign-in page, filled in."""
    form = Page(client.get("/sign-in")).form("/sign-in")
    return form.filled(name="ada", password="wrong password")


def test_a_sign_in_that_waits_for_a_hash_holds_up_no_order(
    client: FlaskClient, app: Flask, key: dict[str, str], busy_hashing: ExitStack
) -> None:
    """The only slot of requests takes an order meanwhile."""
    browser = app.test_client()
    form = sign_in_form(browser)
    thread, responses = in_thread(lambda: browser.post("/sign-in", data=form))
    wait_for("a waiter", lambda: passwords.HASHING.waiting)
    assert client.post("/order", json=request_for(tea=1), headers=key).status_code == 201
    assert passwords.HASHING.waiting and not responses
    busy_hashing.close()
    thread.join(PATIENCE_S)
    assert [response.status_code for response in responses] == [401]


def test_a_sign_in_over_the_bound_is_refused(
    client: FlaskClient, key: dict[str, str], runtime: Runtime, busy_hashing: ExitStack
) -> None:
    """503 with Retry-After, and the attempt is counted."""
    response = client.post("/sign-in", data=sign_in_form(client))
    assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
    assert "Too many people are signing in" in response.text
    with runtime.store.read() as view:
        counts = [each["count"] for each in view.find(COUNTS.name).documents]
    assert counts == [1, 1]


def test_a_sign_in_that_waits_for_the_provider_holds_up_nobody(
    app_with_provider: Flask, provider: HangingProvider
) -> None:
    """The only slot of requests serves another page meanwhile."""
    browser, other = app_with_provider.test_client(), app_with_provider.test_client()
    thread, responses = in_thread(lambda: browser.get("/sign-in/provider"))
    assert provider.asked.acquire(timeout=PATIENCE_S)
    assert other.get("/").status_code == 200
    assert not responses
    provider.answer.set()
    thread.join(PATIENCE_S)
    assert [response.status_code for response in responses] == [503]


def test_a_provider_that_fails_is_not_asked_by_every_request(
    app_with_provider: Flask, provider: HangingProvider
) -> None:
    """Anybody can begin a sign-in; those of the next seconds are refused without a request."""
    provider.answer.set()
    client = app_with_provider.test_client()
    for _ in range(3):
        response = client.get("/sign-in/provider")
        assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
    assert provider.requests == 1
