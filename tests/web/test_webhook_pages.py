"""The pages of webhooks: add, try, change, rotate, disable, recover, delete."""

from flask.testing import FlaskClient

from app.webhooks.service import handler_name
from tests.over_http import body, read
from tests.web.page import Page
from tests.webhooks.conftest import client as client
from tests.webhooks.conftest import shop as shop
from tests.webhooks.conftest import subscriber as subscriber
from tests.webhooks.shop import Subscriber, WebhookShop

HIDDEN = ("csrf_token", "token", "version")


def send(client: FlaskClient, path: str, **fields: str) -> Page:
    """Send a form with what the page has hidden in it; return the page that follows."""
    return send_again(client, path, **hidden_fields(client, path) | fields)


def send_again(client: FlaskClient, path: str, **fields: str) -> Page:
    """Send a form as it is; return the page that follows."""
    return Page(client.post(path, data=fields, follow_redirects=True))


def hidden_fields(client: FlaskClient, path: str) -> dict[str, str]:
    """What the forms of the page send without being asked."""
    fields = Page(client.get(path)).fields
    return {name: fields[name]["value"] for name in HIDDEN if name in fields}


def test_a_webhook_is_added_and_its_secret_is_shown_once(
    client: FlaskClient, subscriber: Subscriber
) -> None:
    """The page that follows has it; the same page later has not."""
    added = send(client, "/webhooks", url=subscriber.url, types="order.*, product.low_stock")
    [webhook] = read(client, "/webhook")["webhooks"]
    assert webhook["types"] == ["order.*", "product.low_stock"]
    assert "whsec_" in added.text
    assert "whsec_" not in Page(client.get(f"/webhooks/{webhook['webhook_id']}")).text
    assert subscriber.url in Page(client.get("/webhooks")).text


def test_a_form_that_is_sent_again_adds_one_webhook(
    client: FlaskClient, subscriber: Subscriber
) -> None:
    """As by reloading the page: it leads to the webhook, without the secret."""
    form = hidden_fields(client, "/webhooks") | {"url": subscriber.url, "types": "order.*"}
    first, again = (send_again(client, "/webhooks", **form) for _ in range(2))
    assert "whsec_" in first.text
    assert "Make a new secret" in again.text and "whsec_" not in again.text
    assert len(read(client, "/webhook")["webhooks"]) == 1


def test_a_form_that_is_sent_again_makes_one_new_secret(
    shop: WebhookShop, client: FlaskClient, subscriber: Subscriber
) -> None:
    """A second one would end the secret that the receiver has."""
    path = f"/webhooks/{shop.subscribe(subscriber, 'order.*')}"
    form = hidden_fields(client, path) | {"do": "rotate"}
    first, again = (send_again(client, path, **form) for _ in range(2))
    assert "whsec_" in first.text
    assert again.status == 412 and "whsec_" not in again.text
    shop.place()
    shop.run()
    assert len(subscriber.accepted) == 1  # it verifies with the secret before


def test_a_wrong_address_is_refused_at_its_field(client: FlaskClient) -> None:
    """What was typed stays."""
    refused = send(client, "/webhooks", url="ftp://x", types="order.*")
    assert refused.status == 422
    assert "Address must begin with" in refused.text
    refused = send(client, "/webhooks", url="https://receiver.invalid/", types="order.placd")
    assert "Events must be * or" in refused.text
    assert read(client, "/webhook")["webhooks"] == []


def test_the_page_shows_what_was_sent_and_how_it_was_answered(
    shop: WebhookShop, client: FlaskClient, subscriber: Subscriber
) -> None:
    """With the state of the webhook, and the answer to a sample."""
    path = f"/webhooks/{shop.subscribe(subscriber, 'order.placed')}"
    subscriber.respond(500, text="out of paper")
    shop.place()
    shop.run()
    shown = Page(client.get(path)).text
    for text in ("Order placed", "500", "out of paper", "next attempt", "failing"):
        assert text in shown
    assert "failing" in Page(client.get("/webhooks")).text
    assert "did not accept the sample: it answered 500" in send(client, path, do="test").text
    subscriber.respond(200)
    assert "accepted the sample: it answered 200" in send(client, path, do="test").text


def test_the_page_of_an_event_shows_a_webhook_that_it_only_names(
    shop: WebhookShop, client: FlaskClient, subscriber: Subscriber
) -> None:
    """Also of an event about a product, which is in no timeline."""
    endpoint_id = shop.subscribe(subscriber, "product.updated")
    assert client.patch("/product/tea", json={"price": "4.75"}).status_code == 200
    (delivery,) = shop.deliveries(endpoint_id)
    assert delivery["state"] == "pending"
    shown = client.get(f"/events/{delivery['event_id']}").text
    assert f'aria-label="{handler_name(endpoint_id)}"' in shown


def test_every_form_of_the_page_works(
    shop: WebhookShop, client: FlaskClient, subscriber: Subscriber
) -> None:
    """Disable, enable, recover, make a new secret, edit, delete."""
    webhook_id = shop.subscribe(subscriber, "order.placed")
    path = f"/webhooks/{webhook_id}"
    assert "disabled" in send(client, path, do="disable").text
    shop.place()
    assert "enable it first" in send(client, path, do="recover", since="2020-01-01").text
    assert "enabled" in send(client, path, do="enable").text
    assert send(client, path, do="recover", since="").status == 422
    assert "1 event is on the way" in send(client, path, do="recover", since="2020-01-01").text
    shop.run()
    assert len(subscriber.accepted) == 1
    assert "whsec_" in send(client, path, do="rotate").text
    fields = {"url": subscriber.url, "types": "*", "description": "the warehouse"}
    stale = send(client, path, do="edit", version="1", **fields)
    assert stale.status == 412
    version = Page(client.get(path)).fields["version"]["value"]
    assert "the warehouse" in send(client, path, do="edit", version=version, **fields).text
    assert send(client, path, do="nothing").status == 400
    assert "No other system receives" in send(client, path, do="delete").text
    assert client.get(path).status_code == 404
    assert body(client.get("/webhook"))["webhooks"] == []
