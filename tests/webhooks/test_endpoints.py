"""Endpoints over HTTP: add, change, rotate, delete; and their secrets, which are shown once."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from freezegun import freeze_time

from app import create_app
from app.config import Config
from app.http.requests.idempotency import IDEMPOTENCY
from app.webhooks.documents import WEBHOOKS
from app.webhooks.service import MAX_ENDPOINTS, OVERLAP_S, active_secrets
from tests.over_http import body, read
from tests.webhooks.shop import Subscriber, WebhookShop, subscribers, verified

WANTED = {"url": "https://receiver.example.org/daybook", "types": ["order.*"]}


def add(client: FlaskClient, **members: Any) -> dict[str, Any]:
    response = client.post("/webhook", json=WANTED | members)
    assert response.status_code == 201, response.text
    return dict(body(response))


def test_an_endpoint_is_added_with_a_secret(client: FlaskClient) -> None:
    """The response has its secret, and no other one has."""
    response = client.post("/webhook", json=WANTED)
    added = dict(body(response))
    secret = added.pop("secret")
    assert secret.startswith("whsec_")
    assert response.headers["Location"] == f"/webhook/{added['webhook_id']}"
    assert added | {"enabled": True, "disabled_reason": "", "failing_since": None} == added
    assert body(client.get(response.headers["Location"])) == added
    assert read(client, "/webhook?total=true") == {"webhooks": [added], "next": None, "total": 1}
    for path in (f"/webhook/{added['webhook_id']}", "/webhook"):
        assert secret not in client.get(path).text


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"url": "http://receiver.example.org/"}, "url: "),
        ({"url": "https://user:password@receiver.example.org/"}, "url: "),
        ({"url": ""}, "url: "),
        ({"types": []}, "types: must have 1 to 20 entries"),
        ({"types": ["order.placd"]}, "types/0: must be * or "),
        ({"types": ["ord*"]}, "types/0: must be * or "),
        ({"types": "order.*"}, "types: must be a list"),
        ({"enabled": "yes"}, "enabled: must be true or false"),
        ({"secret": "whsec_mine"}, "secret: is not a field"),
    ],
)
def test_a_wrong_endpoint_is_refused(config: Config, members: dict[str, Any], message: str) -> None:
    """With a sentence that says what to change."""
    app = create_app(config)
    response = app.test_client().post("/webhook", json=WANTED | members)
    app.extensions["daybook"].close()
    assert response.status_code == 422
    assert message in response.get_json()["detail"]


def test_there_is_a_limit(client: FlaskClient) -> None:
    """Each endpoint costs time for every event."""
    for _ in range(MAX_ENDPOINTS):
        add(client)
    assert client.post("/webhook", json=WANTED).status_code == 409


def test_a_change_is_made_at_the_expected_version(client: FlaskClient) -> None:
    """A patch that changes nothing makes no version; a stale one is refused."""
    added = add(client)
    path = f"/webhook/{added['webhook_id']}"
    changed = client.patch(path, json={"types": ["product.low_stock"], "description": "shelf"})
    assert body(changed) | {"types": ["product.low_stock"], "version": 2} == body(changed)
    assert body(client.patch(path, json={"description": "shelf"}))["version"] == 2
    stale = client.patch(path, json={"description": "x"}, headers={"If-Match": '"1"'})
    assert stale.status_code == 412
    assert client.patch(path, json={"url": "ftp://x"}).status_code == 422


def test_a_deleted_endpoint_is_gone(client: FlaskClient) -> None:
    """With everything about it but its events."""
    path = f"/webhook/{add(client)['webhook_id']}"
    assert client.delete(path, headers={"If-Match": '"9"'}).status_code == 412
    assert body(client.delete(path))["deleted"] is True
    for method, suffix in (("GET", ""), ("DELETE", ""), ("POST", "/secret"), ("POST", "/test")):
        assert client.open(path + suffix, method=method).status_code == 404
    assert client.get(f"{path}/deliveries").status_code == 404


def test_a_new_secret_signs_beside_the_one_before_for_a_day(
    shop: WebhookShop, client: FlaskClient, subscriber: Subscriber
) -> None:
    """Then the old one ends; a third one ends the first at once."""
    endpoint_id = shop.subscribe(subscriber)
    secrets = [subscriber.secret]
    with freeze_time("2026-11-21T08:00:00Z") as clock:
        for _ in range(2):
            rotated = body(client.post(f"/webhook/{endpoint_id}/secret"))
            secrets.append(rotated["secret"])
            assert active_in(shop, endpoint_id) == secrets[:-3:-1]
        client.post(f"/webhook/{endpoint_id}/test")
        for secret in secrets[1:]:
            verified(subscriber.requests[-1], secret)
        clock.tick(OVERLAP_S + 1)
        assert active_in(shop, endpoint_id) == [secrets[-1]]


def active_in(shop: WebhookShop, endpoint_id: str) -> list[str]:
    with shop.store.read() as view:
        return active_secrets(view.get(WEBHOOKS.name, endpoint_id) or {})


def test_a_sample_shows_how_the_receiver_answers(
    shop: WebhookShop, client: FlaskClient, subscriber: Subscriber
) -> None:
    """It is signed like an event, and sent although the endpoint is disabled."""
    endpoint_id = shop.subscribe(subscriber, enabled=False)
    subscriber.respond(202, text="thanks")
    path = f"/webhook/{endpoint_id}/test"
    sample = body(client.post(path))
    assert sample == {"delivered": True, "status": 202, "response": "thanks"}
    assert [each["type"] for each in subscriber.accepted] == ["webhook.test"]
    subscriber.respond(500, text="oops")
    assert body(client.post(path)) == {"delivered": False, "status": 500, "response": "oops"}


def test_a_sample_that_nobody_answers_says_why(shop: WebhookShop, client: FlaskClient) -> None:
    """There is no status then."""
    with subscribers(1) as [gone]:
        endpoint_id = shop.subscribe(gone)
    sample = body(client.post(f"/webhook/{endpoint_id}/test"))
    assert (sample["delivered"], sample["status"]) == (False, None)
    assert "Connection refused" in sample["response"] or "failed" in sample["response"]


def test_the_same_key_makes_one_new_secret(
    shop: WebhookShop, client: FlaskClient, subscriber: Subscriber
) -> None:
    """A client that lost the response does not end the secret that the receiver has."""
    endpoint_id = shop.subscribe(subscriber)
    headers = {"Idempotency-Key": "once"}
    path = f"/webhook/{endpoint_id}/secret"
    first, again = (client.post(path, headers=headers) for _ in range(2))
    secret = body(first)["secret"]
    assert body(again) | {"secret": secret} == body(first)
    assert (again.headers["ETag"], "secret" in body(again)) == (first.headers["ETag"], False)
    assert active_in(shop, endpoint_id) == [secret, subscriber.secret]


def test_the_same_key_adds_one_endpoint(shop: WebhookShop, client: FlaskClient) -> None:
    """A client that lost the response gets it again, but for the secret, which is stored once."""
    headers = {"Idempotency-Key": "once"}
    first, again = (client.post("/webhook", json=WANTED, headers=headers) for _ in range(2))
    secret = body(first)["secret"]
    assert body(again) | {"secret": secret} == body(first)
    assert "secret" not in body(again)
    assert [again.headers[name] for name in ("Location", "ETag", "Idempotency-Replayed")] == [
        *(first.headers["Location"], first.headers["ETag"], "true")
    ]
    with shop.store.read() as view:
        assert secret not in str(view.find(IDEMPOTENCY.name).documents)
    assert read(client, "/webhook?total=true")["total"] == 1
