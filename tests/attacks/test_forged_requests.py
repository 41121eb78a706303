"""Attacks through a browser: CSRF, DNS rebinding, forwarded headers."""

from dataclasses import replace
from ipaddress import ip_network

import pytest

from app import create_app
from app.config import Config
from app.web.layout.csrf import COOKIE
from app.web.layout.form import UPLOAD_MEDIA_TYPE
from tests.attacks.conftest import FORM, Attack, Scene, refused, wait_until_delivered
from tests.http.test_refusals import everything
from tests.over_http import request_for

FORMS = {
    "/": {"name": "Ada", "quantity.tea": "1", "place": "1", "token": "a-token-of-sixteen-or-more"},
    "/orders/LINK/cancel": {},
    "/orders/LINK/pay": {"payment_method": "invoice"},
    "/orders/LINK/again": {},
    "/desk/1001": {"version": "1", "customer_name": "Eve", "product.1": "tea", "quantity.1": "1"},
    "/desk/1001/cancel": {"reason": "forged"},
    "/desk/1001/delete": {"version": "1"},
    "/desk/1001/forget": {"order": "1001", "settled": "1"},
    "/desk/chosen/cancel": {"order": "1001", "reason": "forged"},
    "/shipping/chosen": {"order": "1001", "carrier": "DHL", "tracking_number.1001": "JD0146"},
    "/shipping/ORDER": {"carrier": "DHL", "tracking_number": "JD0146"},
    "/stock": {"sku": "new", "name": "New", "price": "1.00"},
    "/stock/tea": {"do": "change", "change": "5", "reason": "x", "token": "a-token-of-sixteen-x"},
    "/stock-import": {"file": ""},
    "/stock-import/run": {"file_name": "goods.csv", "content": "c2t1LHByaWNlCm5ldywxLjAwCg=="},
    "/webhooks": {"url": "https://evil.example/", "types": "*"},
    "/webhooks/x": {"do": "delete"},
    "/events/replay": {"all": "1"},
    "/events/x/billing/replay": {},
    "/events/x/billing/discard": {"reason": "forged"},
    "/events/faults": {"handler": "billing", "mode": "reject"},
    "/events/faults/billing/clear": {},
    "/flow/pace": {"do": "pause"},
    "/sign-in": {"name": "user-clerk", "password": "correct horse battery"},
    "/sign-out": {},
    "/sign-out/everywhere": {},
}
"""Every form of the pages, filled in as an attacker would."""


def test_every_form_is_attacked(shop: Scene) -> None:
    """A new form needs an entry in the table."""
    forms = {
        rule.endpoint
        for rule in shop.app.url_map.iter_rules()
        if rule.endpoint.startswith("web.") and "POST" in (rule.methods or ())
    }
    adapter = shop.app.url_map.bind("localhost")
    assert {adapter.match(_path(shop, path), method="POST")[0] for path in FORMS} == forms


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize(
    "token", ["left out", "empty", "of another browser", "of a clerk", "planted with a cookie"]
)
def test_a_forged_form_changes_nothing(shop: Scene, path: str, token: str) -> None:
    """The browser sends the operator's cookie, but the form has no valid CSRF token."""
    sent = (
        FORMS[path]
        | {
            "left out": {},
            "empty": {"csrf_token": ""},
            "of another browser": {"csrf_token": "A" * 22},
            "of a clerk": {"csrf_token": shop.form_of("clerk")},
            "planted with a cookie": {"csrf_token": "B" * 22},
        }[token]
    )
    media_type = UPLOAD_MEDIA_TYPE if path == "/stock-import" else FORM
    cookie = shop.as_user("operator")["Cookie"]
    if token == "planted with a cookie":
        cookie += f"; {COOKIE}={'B' * 22}"
    refused(
        shop,
        lambda shop: shop.client.post(
            _path(shop, path), data=sent, headers={"Cookie": cookie}, content_type=media_type
        ),
        403,
    )


FROM_ELSEWHERE = {
    "another site": {"Sec-Fetch-Site": "cross-site"},
    "a sister site": {"Sec-Fetch-Site": "same-site"},
    "an older browser, another site": {"Origin": "https://evil.example"},
    "an older browser, a name like ours": {"Origin": "http://localhost.evil.example"},
    "an older browser, another port": {"Origin": "http://localhost:9999"},
    "a sandboxed frame": {"Origin": "null"},
    "a site that says it is ours": {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
}


@pytest.mark.parametrize("where", FROM_ELSEWHERE)
@pytest.mark.parametrize("path", ["/desk/1001/cancel", "/stock", "/sign-out/everywhere"])
def test_a_form_of_another_origin_changes_nothing(shop: Scene, where: str, path: str) -> None:
    """This holds even with a valid CSRF token."""
    sent = FORMS[path] | {"csrf_token": shop.form_of("operator")}
    headers = shop.as_user("operator") | FROM_ELSEWHERE[where]
    refused(
        shop,
        lambda shop: shop.client.post(path, data=sent, headers=headers, content_type=FORM),
        403,
    )


@pytest.mark.parametrize("media_type", ["text/plain", FORM, "multipart/form-data; boundary=x", ""])
def test_the_api_accepts_no_form_of_another_site(shop: Scene, media_type: str) -> None:
    """A page can send no JSON without a preflight request, and the API accepts nothing else."""
    body = b'{"customer_name": "Eve", "items": [{"product": "tea", "quantity": 1}]}'
    headers = shop.as_key("clerk") | {"Content-Type": media_type}
    refused(shop, lambda shop: shop.client.post("/order", data=body, headers=headers), 415)


def test_a_get_changes_nothing(shop: Scene) -> None:
    """No GET deletes, cancels, ships or signs out."""
    wait_until_delivered(shop)
    for path in FORMS:
        before = everything(shop.app)
        shop.client.get(_path(shop, path), headers=shop.as_user("operator"))
        assert everything(shop.app) == before


HOSTS: dict[str, str] = {
    "another site (rebinding)": "evil.example",
    "a name that begins as ours": "localhost.evil.example",
    "ours as a user name": "localhost@evil.example",
    "ours behind a hash": "evil.example#localhost",
    "two hosts": "localhost, evil.example",
    "a path in the host": "localhost/../evil.example",
    "a broken address": "[::1",
    "no host": "",
    "an address that is not ours": "192.0.2.7",
    "ours as a number": "2130706433",
}


@pytest.mark.parametrize("host", HOSTS)
def test_other_hosts_are_refused(shop: Scene, host: str) -> None:
    """With a valid key: 421, or 400 for a malformed host."""
    headers = shop.as_key("clerk") | {"Host": HOSTS[host]}
    refused(
        shop,
        lambda shop: shop.client.post("/order", json=request_for(tea=1), headers=headers),
        *(400, 421),
    )


FORWARDED: dict[str, dict[str, str]] = {
    "this machine, by X-Forwarded-For": {"X-Forwarded-For": "127.0.0.1"},
    "many, this machine last": {"X-Forwarded-For": "192.0.2.7, 127.0.0.1"},
    "IPv6 of this machine": {"X-Forwarded-For": "::1"},
    "RFC 7239": {"Forwarded": "for=127.0.0.1;host=localhost;proto=https"},
    "nginx": {"X-Real-IP": "127.0.0.1"},
    "Via": {"Via": "1.1 proxy"},
    "another host": {"X-Forwarded-Host": "localhost"},
    "another scheme": {"X-Forwarded-Proto": "https"},
    "Cloudflare": {"CF-Connecting-IP": "127.0.0.1"},
    "Akamai": {"True-Client-IP": "127.0.0.1"},
    "HAProxy": {"X-Client-IP": "127.0.0.1"},
    "clusters": {"X-Cluster-Client-IP": "127.0.0.1"},
    "empty": {"X-Forwarded-For": ""},
}


@pytest.mark.parametrize("header", FORWARDED)
@pytest.mark.parametrize("is_declared", [False, True], ids=["undeclared", "declared"])
def test_a_request_through_a_proxy_is_never_local(
    config: Config, header: str, *, is_declared: bool
) -> None:
    """In a shop without keys, where local requests may do everything."""
    proxies = frozenset({ip_network("127.0.0.1")}) if is_declared else frozenset()
    app = create_app(replace(config, trusted_proxies=proxies))
    client = app.test_client()
    if not is_declared:
        assert client.get("/order").status_code == 200
    response = client.post("/order", json=request_for(tea=1), headers=FORWARDED[header])
    assert response.status_code == 401
    assert everything(app)["orders"] == {}
    app.extensions["daybook"].close()


@pytest.mark.parametrize("header", FORWARDED)
def test_forwarded_headers_give_no_access(shop: Scene, header: str) -> None:
    """They do not count in a shop with keys either."""
    attack: Attack = lambda shop: shop.client.get("/order", headers=FORWARDED[header])  # noqa: E731
    refused(shop, attack, 401)


def _path(shop: Scene, path: str) -> str:
    return path.replace("LINK", shop.order["link"]).replace("ORDER", shop.order["order_id"])
