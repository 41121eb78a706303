"""`flask forget`: nothing of the customer is left, and everything else is as it was."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from app.events.outbox import PENDING, SUBSCRIBER_OUTBOX, save_record, timeline
from app.kernel.personal_data import ERASED_NAME
from app.orders.documents import REFERENCES
from app.privacy.customers import find_orders
from app.privacy.erasure import Traces, forget_customer
from app.server.runtime import Runtime
from app.store import Document
from tests.audit.conftest import differences
from tests.cli.conftest import Give
from tests.over_http import body, place, read, request_for
from tests.privacy.conftest import (
    EMAIL,
    FIRST,
    NAME,
    OLD_EMAIL,
    SECRETS,
    everywhere,
    mentions,
    order_again,
)
from tests.transactions import transaction

Settled = Callable[[], None]

KEPT = ("number", "items", "currency", "total_amount", "status", "payment_status", "order_date")


def test_nothing_of_the_customer_is_left(flask: Give, runtime: Runtime) -> None:
    """No file of the data folder has name, address or link; before, those of every kind had."""
    data = runtime.config.data
    links = [order["link"] for order in everywhere(runtime)]
    runtime.close()
    names = "orders invoices shipments events outbox failure idempotency references order_history"
    before = mentions(data, *SECRETS)
    assert {f"{name}.json" for name in names.split()} <= before
    assert any(path.startswith("mail/new/") for path in before)
    assert before & mentions(data, *links)

    result = flask("forget", EMAIL)
    assert result.exit_code == 0, result.output
    assert mentions(data, *SECRETS, *links, "mother", "by telephone") == set()
    assert "The customer of order 1003 was erased." in result.stdout


def test_orders_and_money_stay(flask: Give, runtime: Runtime) -> None:
    """Numbers, lines, sums and statuses are unchanged, and `flask check` agrees."""
    before = everywhere(runtime)
    flask("forget", EMAIL)
    after = everywhere(runtime)
    assert [[each[name] for name in KEPT] for each in before] == [
        [each[name] for name in KEPT] for each in after
    ]
    assert {(each["customer_name"], each["customer_email"]) for each in after} == {
        (ERASED_NAME, None)
    }
    assert differences(runtime) == []
    runtime.close()
    checked = flask("check")
    assert checked.exit_code == 0
    assert checked.stdout.endswith("Everything agrees.\n")


def test_other_customers_stay(
    flask: Give, client: FlaskClient, runtime: Runtime, settled: Settled
) -> None:
    """An order of another person, its mails included, is as it was."""
    asked = request_for("Quuxetta", tea=1) | {"customer_email": "quuxetta@other.example"}
    other = body(client.post("/order", json=asked))
    settled()
    other = read(client, f"/order/{other['order_id']}")
    flask("forget", EMAIL)
    assert read(client, f"/order/{other['order_id']}") == other
    runtime.close()
    assert any(
        path.startswith("mail/new/") for path in mentions(runtime.config.data, "other.example")
    )


def test_searches_find_nothing(flask: Give, client: FlaskClient) -> None:
    """Neither the name nor the address finds an order, in the process that erased or after."""
    flask("forget", EMAIL)
    for query in (f"customer={EMAIL}", f"customer={NAME}", "q=quux"):
        assert read(client, f"/order?{query}")["orders"] == []


def test_systems_outside_are_told(flask: Give, client: FlaskClient, settled: Settled) -> None:
    """customer.forgotten names each order; the earlier events in the feed are erased too."""
    flask("forget", EMAIL)
    settled()
    told = read(client, "/event?type=customer.forgotten")["events"]
    assert sorted(event["data"]["number"] for event in told) == [1001, 1002, 1003, 1004, 1005]
    assert "Quux" not in client.get("/event?limit=200").text


def test_the_history_says_that_it_was_erased(flask: Give, client: FlaskClient) -> None:
    """The last line of the order says when and by whom; edits before are stale."""
    before = read(client, "/order/1001")
    flask("forget", "1001")
    order = read(client, "/order/1001")
    assert order["history"][-1] | {"at": ""} == {
        "at": "",
        "event": "customer forgotten",
        "detail": "",
        "by": "command",
    }
    assert order["details_version"] == order["version"] == before["version"] + 1
    assert len(order["history"]) == len(before["history"]) + 1


def test_a_second_time_changes_nothing(flask: Give, client: FlaskClient) -> None:
    """The command says so, and no second event is emitted."""
    flask("forget", "1001")
    before = client.get("/order/1001").data
    result = flask("forget", "1001")
    assert result.exit_code == 0
    assert "The customer of order 1001 had been erased before." in result.stdout
    assert client.get("/order/1001").data == before
    assert len(read(client, "/event?type=customer.forgotten")["events"]) == 1


def test_an_unknown_address_is_refused(flask: Give) -> None:
    """The command says that no order has it, and changes nothing."""
    result = flask("forget", "nobody@quux.example")
    assert result.exit_code == 2
    assert result.stderr == "Error: No order has the e-mail address nobody@quux.example.\n"


def test_old_copies_are_found_by_the_address_alone(flask: Give, runtime: Runtime) -> None:
    """A page has erased the orders, so none has the address; an upgrade has left a copy of one."""
    for order in find_orders(runtime.store, EMAIL):
        with transaction(runtime.store) as tx:
            forget_customer(tx, order, Traces(), "boss")
    copy = runtime.config.data / "before-upgrade-to-9"
    copy.mkdir()
    (copy / "orders.json").write_text(f'[{{"customer_email": "{EMAIL}"}}]')
    assert flask("forget", EMAIL.upper()).stdout.startswith("before-upgrade-to-9/ was removed")
    assert not copy.exists()


def test_an_earlier_address_finds_the_order(flask: Give, runtime: Runtime) -> None:
    """An order is found by each address that it ever had."""
    assert flask("forget", OLD_EMAIL.upper()).exit_code == 0
    assert everywhere(runtime)[0]["customer_name"] == ERASED_NAME


def test_a_deleted_order_is_found_by_its_number(flask: Give, runtime: Runtime) -> None:
    """Its events have the customer, although there is no document of it."""
    assert flask("forget", "1003").stdout.startswith("The customer of order 1003 was erased.\n")
    assert flask("forget", "1009").exit_code == 2


def test_an_order_under_way_is_left(
    flask: Give, client: FlaskClient, runtime: Runtime, settled: Settled
) -> None:
    """It is named with the reason; the others are erased, and the exit code is 1."""
    order_again(client)
    settled()
    result = flask("forget", EMAIL)
    assert result.exit_code == 1
    assert result.stderr == (
        "Order 1006 is confirmed, so the shop still needs its customer. Cancel it, or wait until "
        "it has left.\n"
    )
    assert [each["customer_name"] for each in everywhere(runtime)] == [ERASED_NAME] * 4 + [NAME]


def test_an_order_that_is_owed_is_left(
    flask: Give, client: FlaskClient, runtime: Runtime, settled: Settled
) -> None:
    """What was shipped and is not paid needs its debtor, unless a person says it is settled."""
    asked = request_for("Debtor", tea=2) | {"payment_method": "invoice"}
    assert client.post("/order", json=asked).status_code == 201
    settled()
    client.post("/shipment/1006/ship", json={"carrier": "DHL", "tracking_number": "7"})
    settled()
    result = flask("forget", "1006")
    assert result.exit_code == 1
    assert result.stderr.startswith("9.00 EUR of order 1006 are not paid, as far as")
    assert flask("forget", "1006", "--settled").exit_code == 0
    assert everywhere(runtime)[-1]["customer_name"] == ERASED_NAME


def test_a_repeated_request_is_not_carried_out_again(flask: Give, client: FlaskClient) -> None:
    """Its stored response is gone; the key still prevents a second order."""
    flask("forget", "1001")
    response = client.post("/order", json=FIRST, headers={"Idempotency-Key": "first"})
    assert response.status_code == 409
    assert "has been erased since" in body(response)["detail"]


def test_a_reference_still_prevents_a_second_import(flask: Give, runtime: Runtime) -> None:
    """A reference without personal data stays, without the fingerprint of its content."""
    order = everywhere(runtime)[2]
    reference = {"reference": "R-7", "order_id": order["order_id"], "at": ""}
    with transaction(runtime.store) as tx:
        tx.put(REFERENCES.name, reference | {"fingerprint": "x"})
    flask("forget", "1004")
    with runtime.store.read() as view:
        kept = [view.get(REFERENCES.name, key) for key in view.keys(REFERENCES.name)]
    assert kept == [reference]


def test_a_failed_mail_is_not_sent_when_it_is_replayed(flask: Give, client: FlaskClient) -> None:
    """There is nobody to send it to any more."""
    flask("forget", "1005")
    assert flask("replay", "--all").stdout.startswith("1 succeeded")
    events = read(client, "/order/1005/events")["events"]
    notes = [each["deliveries"].get("notification", {}).get("note") for each in events]
    assert "no mail: the order has no e-mail address" in notes
    assert place(client, tea=1)["number"] == 1006


@pytest.mark.parametrize(
    "waiting_as",
    [
        pytest.param({"subscribers": ["webhook:w1"]}, id="named"),
        pytest.param(
            {"deliveries": {"webhook:w1": {"state": PENDING, "attempts": 0}}}, id="listed"
        ),
    ],
)
def test_a_subscriber_that_waits_holds_nothing_up(runtime: Runtime, waiting_as: Document) -> None:
    """A webhook may wait for a day; the event that it then gets has no customer."""
    (order,) = find_orders(runtime.store, "1001")
    with transaction(runtime.store) as tx:
        record = next(timeline(tx, order.order_id))
        save_record(tx, record | waiting_as)
        assert forget_customer(tx, order, Traces(), "boss")
    with runtime.store.read() as view:
        waiting = view.get(SUBSCRIBER_OUTBOX.name, record["id"])
    assert waiting
    assert waiting["event"]["data"]["order"]["customer_name"] == ERASED_NAME
