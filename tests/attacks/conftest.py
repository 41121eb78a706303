"""The shop that is attacked: it has one of everything, and somebody in each role.

An attack is a function of the scene that answers what the shop said. `refused` runs one, and holds
what all have in common: a refusal in the range of 4xx, in words that give nothing away, and not one
document in the store that is other than before.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import create_app
from app.auth import sessions
from app.auth.keys import create_key
from app.config import Config
from app.inventory.service import add_product
from app.kernel.identity import Identity
from app.server.runtime import Runtime
from tests.auth.people import make_user
from tests.conftest import CATALOGUE, settle
from tests.http.test_refusals import everything
from tests.over_http import request_for
from tests.transactions import transaction
from tests.web.page import Page

FORM = "application/x-www-form-urlencoded"
CARRIER_SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@dataclass
class Scene:
    """A shop with keys, users, products and an order; `client` has no cookie jar."""

    app: Flask
    client: FlaskClient
    keys: dict[str, str]
    tokens: dict[str, str]
    order: dict[str, Any]

    @property
    def runtime(self) -> Runtime:
        """The runtime of the application."""
        found: Runtime = self.app.extensions["daybook"]
        return found

    def as_key(self, role: str) -> dict[str, str]:
        """The headers of a key with this role."""
        return {"Authorization": f"Bearer {self.keys[role]}"}

    def as_user(self, role: str) -> dict[str, str]:
        """The headers of a browser with a user of this role."""
        return {"Cookie": f"{sessions.COOKIE}={self.tokens[role]}"}

    def form_of(self, role: str) -> str:
        """The CSRF token of that browser's forms."""
        page = Page(self.client.get("/sign-in", headers=self.as_user(role)))
        return page.fields["csrf_token"]["value"]

    def send(self, role: str, path: str, **fields: str) -> TestResponse:
        """Send a form as this user, with its CSRF token."""
        sent = {"csrf_token": self.form_of(role)} | fields
        return self.client.post(path, data=sent, headers=self.as_user(role), content_type=FORM)

    def call(self, role: str, method: str, path: str, document: object = None) -> TestResponse:
        """Send an API request with the key of this role."""
        return self.client.open(path, method=method, json=document, headers=self.as_key(role))


Attack = Callable[[Scene], TestResponse]


@pytest.fixture
def config(config: Config) -> Config:
    """With all optional parts, so that they can be attacked."""
    return replace(config, carrier_secret=CARRIER_SECRET, faults=True)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One shop for all attacks of a module: each leaves it unchanged."""
    settings = Config(
        data=tmp_path_factory.mktemp("shop") / "data",
        retry_wait=0.001,
        carrier_secret=CARRIER_SECRET,
        faults=True,
    )
    app = create_app(settings)
    yield opened(app)
    app.extensions["daybook"].close()


def opened(app: Flask) -> Scene:
    """The scene in a new shop. Deliveries are not started, so nothing changes by itself."""
    runtime: Runtime = app.extensions["daybook"]
    keys, tokens = {}, {}
    for role in ("clerk", "manager", "operator"):
        make_user(app, f"user-{role}", role)
        with transaction(runtime.store) as tx:
            keys[role] = create_key(tx, f"key-{role}", role)
            tokens[role] = sessions.begin(tx, Identity(f"user-{role}", role))
    with transaction(runtime.store) as tx:
        for product in CATALOGUE:
            add_product(tx, dict(product))
    client = app.test_client(use_cookies=False)
    headers = {"Authorization": f"Bearer {keys['clerk']}"}
    order = client.post("/order", json=request_for(tea=2), headers=headers).get_json()
    return Scene(app, client, keys, tokens, order)


def refused(shop: Scene, attack: Attack, *statuses: int) -> TestResponse:
    """Run an attack: one of `statuses`, nothing revealed, nothing changed."""
    wait_until_delivered(shop)
    before = everything(shop.app)
    response = attack(shop)
    assert response.status_code in statuses, (response.status_code, response.text[:500])
    assert_nothing_revealed(shop, response)
    assert everything(shop.app) == before
    return response


def wait_until_delivered(shop: Scene) -> None:
    """Wait until all deliveries of earlier requests have ended, and the jobs of the day."""
    settle(shop.runtime)


def assert_nothing_revealed(shop: Scene, response: TestResponse) -> None:
    """Fail when the response has a secret, a path or a stack trace."""
    said = response.get_data(as_text=True) + str(response.headers)
    for secret in (*shop.keys.values(), *shop.tokens.values(), CARRIER_SECRET):
        assert secret not in said
    assert str(shop.runtime.config.data) not in said
    assert "Traceback" not in said
    assert ".py" not in said
