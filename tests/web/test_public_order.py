"""Limits of what strangers order by the shop's form, for all processes together."""

from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from freezegun import freeze_time

from app import create_app
from app.auth.keys import create_key
from app.config import Config
from app.http.security.quotas import COUNTS
from app.server.runtime import Runtime
from app.web.customer.public_order import MAX_ORDERS_PER_RECIPIENT, mailbox
from tests.auth.people import make_user, sign_in
from tests.transactions import transaction
from tests.web.page import Page

START = "2026-11-21T08:00:00Z"
CONTACT = "try again tomorrow, or write to the shop or call it."
TOO_MUCH = f"Too much was ordered from your internet connection within a day; {CONTACT}"
ORDERS, PIECES = 3, 20


@pytest.fixture
def config(config: Config) -> Config:
    """A network may place three orders a day, of twenty pieces in all."""
    return replace(config, public_orders=ORDERS, public_pieces=PIECES)


@pytest.fixture
def clerk(runtime: Runtime, catalogue: dict[str, str]) -> dict[str, str]:
    """The headers of a clerk; a shop with a key no longer takes this machine for staff."""
    with transaction(runtime.store) as tx:
        return {"Authorization": f"Bearer {create_key(tx, 'till', 'clerk')}"}


def order(client: FlaskClient, address: str = "203.0.113.7", **typed: str) -> Page:
    """The page after a client at this address sent the order form; one tea unless typed."""
    form = Page(client.get("/")).filled(
        **{"tea": "1", "name": "Ada", "email": "", "place": "1"} | typed
    )
    return Page(client.post("/", data=form, environ_base={"REMOTE_ADDR": address}))


@pytest.mark.usefixtures("clerk")
@pytest.mark.parametrize(
    ("address", "neighbour", "other"),
    [
        ("203.0.113.7", "203.0.113.7", "203.0.113.8"),
        ("2001:db8::1", "2001:db8::2:3", "2001:db8:0:1::1"),
    ],
)
def test_a_network_may_place_so_many_orders_a_day(
    client: FlaskClient, address: str, neighbour: str, other: str
) -> None:
    """429 with Retry-After then, with all that was typed; other networks go on."""
    with freeze_time(START) as clock:
        assert [order(client, address).status for _ in range(ORDERS)] == [303] * ORDERS
        form = Page(client.get("/")).filled(tea="7", name="Bo", email="bo@b.example", place="1")
        response = client.post("/", data=form, environ_base={"REMOTE_ADDR": neighbour})
        page = Page(response)
        assert response.status_code == 429
        assert response.headers["Retry-After"] == "86400"
        assert TOO_MUCH in page.text
        names = ("name", "email", "quantity.tea", "token")
        assert [page.fields[name]["value"] for name in names] == [form[name] for name in names]
        assert order(client, other).status == 303
        clock.tick(timedelta(days=1, seconds=1))
        response = client.post("/", data=form, environ_base={"REMOTE_ADDR": neighbour})
        assert response.status_code == 303


@pytest.mark.usefixtures("clerk")
def test_a_recipient_gets_so_many_orders_a_day(client: FlaskClient, runtime: Runtime) -> None:
    """From whatever networks, however the address is spelled; a refused order counts nowhere."""
    spellings = ("ada@b.example", "ADA+{}@B.example", "a.d.a@b.example", "Ada@b.EXAMPLE")
    for n in range(MAX_ORDERS_PER_RECIPIENT):
        email = spellings[n % 4].format(n)
        assert order(client, f"203.0.113.{n}", email=email).status == 303
    page = order(client, "198.51.100.1", email="ada+more@b.example")
    assert page.status == 429
    assert "too many orders for this e-mail address within a day; leave it out, try" in page.text
    assert order(client, "198.51.100.1", email="adam@b.example").status == 303
    assert order(client, "198.51.100.1").status == 303
    with runtime.store.read() as view:
        kinds = [each["of"].rpartition(" ")[0] for each in view.find(COUNTS.name).documents]
    assert kinds.count("orders for recipient") == 2
    assert kinds.count("orders of network") == MAX_ORDERS_PER_RECIPIENT + 1


@pytest.mark.usefixtures("clerk")
def test_a_network_may_order_so_many_pieces_a_day(client: FlaskClient) -> None:
    """429 with Retry-After beyond them; a smaller order that still fits is placed."""
    with freeze_time(START):
        assert order(client, tea="12").status == 303
        form = Page(client.get("/")).filled(tea="9", name="Bo", place="1")
        here = {"REMOTE_ADDR": "203.0.113.7"}
        response = client.post("/", data=form, environ_base=here)
        assert response.status_code == 429
        assert response.headers["Retry-After"] == "86400"
        page = Page(response)
        assert TOO_MUCH in page.text
        assert page.fields["quantity.tea"]["value"] == "9"
        assert order(client, "203.0.113.8", tea="9").status == 303
        assert [order(client, tea=tea).status for tea in ("8", "1")] == [303, 429]


@pytest.mark.usefixtures("clerk")
def test_a_stranger_cannot_order_all_the_stock_at_once(client: FlaskClient) -> None:
    """422 above the ceiling over all lines, with what was typed; the ceiling itself is placed."""
    page = order(client, tea=f"{PIECES}", mug="1")
    assert page.status == 422
    rule = f"Your basket must not have more than {PIECES} pieces; write to the shop, or call it"
    assert f"{rule}, for more." in page.text
    assert page.fields["quantity.tea"]["value"] == f"{PIECES}"
    assert order(client, tea=f"{PIECES}", mug="").status == 303


@pytest.mark.usefixtures("clerk")
def test_all_processes_count_orders_together(
    app: Flask, client: FlaskClient, config: Config
) -> None:
    """Two applications on one folder share the count, as two workers do."""
    other = create_app(replace(config, threads=8))
    clients = (client, other.test_client())
    assert [order(clients[n % 2]).status for n in range(ORDERS)] == [303] * ORDERS
    assert [order(each).status for each in clients] == [429, 429]
    other.extensions["daybook"].close()


def test_staff_are_not_counted(app: Flask, client: FlaskClient, clerk: dict[str, str]) -> None:
    """With a key or a session, on the page and in the API, also while strangers are refused."""
    make_user(app, "cleo", "clerk")
    for _ in range(ORDERS):
        order(client)
    assert order(client).status == 429
    wanted = {
        "customer_name": "Ada",
        "items": [{"product": "tea", "quantity": PIECES + 1}],
        "customer_email": "ada@b.example",
    }
    here = {"REMOTE_ADDR": "203.0.113.7"}
    answer = client.post("/order", json=wanted, headers=clerk, environ_base=here)
    assert answer.status_code == 201
    sign_in(client, "cleo")
    assert [order(client).status for _ in range(ORDERS + 1)] == [303] * (ORDERS + 1)
    assert order(client, tea=f"{PIECES + 1}").status == 303


@pytest.mark.usefixtures("catalogue")
def test_a_shop_without_keys_does_not_count_this_machine(client: FlaskClient) -> None:
    """A class, or a till, orders as often as it likes."""
    assert [order(client, "127.0.0.1").status for _ in range(ORDERS + 1)] == [303] * (ORDERS + 1)


@pytest.mark.usefixtures("clerk")
def test_refused_and_repeated_orders_do_not_count(client: FlaskClient) -> None:
    """A form that is sent again has its order; one that is refused has used nothing up."""
    for _ in range(ORDERS):
        assert order(client, tea="", mug="11").status == 409
        assert order(client, mug="", email="nobody").status == 422
    form = Page(client.get("/")).filled(tea="1", name="Ada", email="", place="1")
    here = {"REMOTE_ADDR": "203.0.113.7"}
    sent = [client.post("/", data=form, environ_base=here) for _ in range(ORDERS + 1)]
    assert len({each.headers["Location"] for each in sent}) == 1
    assert [order(client).status for _ in range(ORDERS)] == [303, 303, 429]


@pytest.mark.parametrize(
    ("email", "expected"),
    [
        ("ada@example.org", "ada@example.org"),
        ("Ada.Lovelace+shop+2@Example.ORG", "adalovelace@example.org"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("АДА@example.org", "ада@example.org"),
        ("+@example.org", "@example.org"),
    ],
)
def test_spellings_of_one_mailbox(email: str, expected: str) -> None:
    """Neither case nor dots nor a tag after a plus sign make another recipient."""
    assert mailbox(email) == expected
