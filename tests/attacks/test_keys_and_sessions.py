"""Forged, revoked, stolen and guessed keys and sessions, and roles exceeded."""

import hashlib
import inspect
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from freezegun import freeze_time

from app import create_app
from app.auth import keys, sessions, users
from app.auth.keys import create_key, revoke_key
from app.kernel.identity import Identity
from app.store import Transaction
from tests.attacks.conftest import FORM, Attack, Scene, refused, wait_until_delivered
from tests.auth.people import PASSWORD, make_user
from tests.http.test_refusals import everything
from tests.over_http import request_for
from tests.transactions import transaction


@pytest.fixture(scope="module")
def shop(shop: Scene) -> Iterator[Scene]:
    """The shop after its deliveries, without a dispatcher: at another time, its jobs would run."""
    wait_until_delivered(shop)
    shop.runtime.close()
    app = create_app(shop.runtime.config, delivers=False)
    yield replace(shop, app=app, client=app.test_client(use_cookies=False))
    app.extensions["daybook"].close()


def shown(value: str) -> Attack:
    """An attack that places an order with this Authorization header."""
    return lambda shop: shop.client.post(
        "/order", json=request_for(tea=1), headers={"Authorization": value}
    )


def cookie(value: str) -> Attack:
    """An attack that opens the desk with this cookie."""
    return lambda shop: shop.client.get("/desk", headers={"Cookie": value})


def opens(path: str) -> Attack:
    """An attack in which a clerk opens this page."""
    return lambda shop: shop.client.get(path, headers=shop.as_user("clerk"))


def sends(path: str) -> Attack:
    """An attack in which a clerk sends a form there."""
    return lambda shop: shop.send("clerk", path, id="x", mode="reject")


KEYS: dict[str, Attack] = {
    "no key": lambda shop: shop.client.post("/order", json=request_for(tea=1)),
    "empty key": shown("Bearer "),
    "a key of the right shape that was never made": shown(f"Bearer daybook_00000000_{'A' * 43}"),
    "the prefix of a key with another secret": lambda shop: shown(
        f"Bearer {shop.keys['operator'][:17]}{'A' * 43}"
    )(shop),
    "a key that is cut off": lambda shop: shown(f"Bearer {shop.keys['operator'][:-1]}")(shop),
    "a key with more behind it": lambda shop: shown(f"Bearer {shop.keys['operator']}A")(shop),
    "the last character of a key changed": lambda shop: shown(
        f"Bearer {shop.keys['operator'][:-1]}{'A' if shop.keys['operator'][-1] != 'A' else 'E'}"
    )(shop),
    "a key in other letters": lambda shop: shown(f"Bearer {shop.keys['operator'].upper()}")(shop),
    "the stored hash as a key": lambda shop: shown(f"Bearer {_hash_of_key(shop)}")(shop),
    "the stored hash in the place of the secret": lambda shop: shown(
        f"Bearer {shop.keys['operator'][:17]}{_hash_of_key(shop)[:43]}"
    )(shop),
    "a key as basic authentication": lambda shop: shown(f"Basic {shop.keys['operator']}")(shop),
    "a key in the address": lambda shop: shop.client.get(
        f"/order?access_token={shop.keys['operator']}&key={shop.keys['operator']}"
    ),
    "a key in a cookie": lambda shop: cookie(f"{sessions.COOKIE}={shop.keys['operator']}")(shop),
    "two keys in one header": lambda shop: shown(
        f"Bearer {shop.keys['operator']}, Bearer {shop.keys['operator']}"
    )(shop),
    "a signed token without a signature (alg none)": shown(
        "Bearer eyJhbGciOiJub25lIn0.eyJyb2xlIjoib3BlcmF0b3IifQ."
    ),
    "a header of a megabyte": shown("Bearer " + "a" * (1 << 20)),
    "a key with a NUL in it": shown("Bearer daybook_\x00"),
    "a name to search by instead of a key": shown('Bearer {"$ne": null}'),
}

SESSIONS: dict[str, Attack] = {
    "a guessed session": cookie(f"{sessions.COOKIE}={'A' * 43}"),
    "an empty session": cookie(f"{sessions.COOKIE}="),
    "the stored hash as a session": lambda shop: cookie(
        f"{sessions.COOKIE}={hashlib.sha256(shop.tokens['operator'].encode()).hexdigest()}"
    )(shop),
    "a session under the name for TLS": lambda shop: cookie(
        f"__Host-{sessions.COOKIE}={shop.tokens['operator']}"
    )(shop),
    "a session in the address": lambda shop: shop.client.get(
        f"/desk?{sessions.COOKIE}={shop.tokens['operator']}"
    ),
    "a session as a key": lambda shop: shown(f"Bearer {shop.tokens['operator']}")(shop),
    "a cookie that claims a role": cookie("role=operator; user=user-operator"),
    "a cookie of a megabyte": cookie(f"{sessions.COOKIE}={'a' * (1 << 20)}"),
    "a path in the place of a token": cookie(f"{sessions.COOKIE}=../users"),
    "a session that writes over the API": lambda shop: shop.client.post(
        "/order", json=request_for(tea=1), headers=shop.as_user("operator")
    ),
    "a session that deletes over the API": lambda shop: shop.client.delete(
        "/order/1001", headers=shop.as_user("operator")
    ),
    "headers in which proxies name a user": lambda shop: shop.client.get(
        "/desk",
        headers={"X-Remote-User": "user-operator", "Remote-User": "x", "X-Forwarded-User": "x"},
    ),
    "a role in a header": lambda shop: shop.client.get(
        "/failure", headers=shop.as_key("clerk") | {"X-Role": "operator"}
    ),
    "a method that overrides another": lambda shop: shop.client.post(
        "/product/tea?_method=DELETE",
        json={},
        headers=shop.as_key("clerk") | {"X-HTTP-Method-Override": "DELETE"},
    ),
}


@pytest.mark.parametrize("attack", KEYS)
def test_an_invalid_key_is_refused(shop: Scene, attack: str) -> None:
    """401, and nothing that helps to guess better."""
    refused(shop, KEYS[attack], 400, 401)


@pytest.mark.parametrize("attack", SESSIONS)
def test_an_invalid_session_is_refused(shop: Scene, attack: str) -> None:
    """The response is 401 or 403, or 405 where the method does not exist."""
    refused(shop, SESSIONS[attack], 401, 403, 405)


def test_a_revoked_key_is_refused_at_once(shop: Scene) -> None:
    """The key works until it is revoked."""
    with transaction(shop.runtime.store) as tx:
        key = create_key(tx, "till-2", "clerk")
    headers = {"Authorization": f"Bearer {key}"}
    assert shop.client.get("/order", headers=headers).status_code == 200
    with transaction(shop.runtime.store) as tx:
        revoke_key(tx, key.split("_")[1])
    refused(shop, shown(f"Bearer {key}"), 401)


@pytest.mark.parametrize(
    ("title", "later"),
    [("not used for two hours", timedelta(hours=2, minutes=1)), ("long over", timedelta(days=400))],
)
def test_an_expired_session_is_refused(shop: Scene, title: str, later: timedelta) -> None:
    """The browser still sends its cookie."""
    # at the present: a sign-in at another time would end the other sessions of this shop
    with freeze_time(datetime.now(UTC)) as clock:
        with transaction(shop.runtime.store) as tx:
            token = sessions.begin(tx, Identity("user-operator", "operator"))
        assert cookie(f"{sessions.COOKIE}={token}")(shop).status_code == 200
        clock.tick(later)
        refused(shop, cookie(f"{sessions.COOKIE}={token}"), 401)


@pytest.mark.parametrize("way", ["out", "everywhere", "password", "role", "removed"])
def test_a_stolen_session_ends_with_the_real_one(shop: Scene, way: str) -> None:
    """Signing out, here or everywhere, and any change of the user end it."""
    name = f"robbed-{way}"
    make_user(shop.app, name, "manager")
    with transaction(shop.runtime.store) as tx:
        token = sessions.begin(tx, Identity(name, "manager"))
    stolen = cookie(f"{sessions.COOKIE}={token}")
    assert stolen(shop).status_code == 200
    if way in ("out", "everywhere"):
        own = replace(shop, tokens={"manager": token})
        own.send("manager", "/sign-out" + ("/everywhere" if way == "everywhere" else ""))
    else:
        with transaction(shop.runtime.store) as tx:
            _change(tx, name, way)
    refused(shop, stolen, 401)


def _change(tx: Transaction, name: str, what: str) -> None:
    if what == "password":
        users.change_password(tx, name, "$argon2id$v=19$m=1,t=1,p=1$YQ$YQ")
    elif what == "role":
        users.change_role(tx, name, "clerk")
    else:
        users.remove_user(tx, name)


def test_a_planted_session_is_not_accepted(shop: Scene) -> None:
    """Session fixation: signing in creates another token, and the planted one is invalid."""
    planted = "planted-by-an-attacker-0123456789abcdefghijk"
    first = shop.client.get("/sign-in", headers={"Cookie": f"{sessions.COOKIE}={planted}"})
    form_cookie = first.headers["Set-Cookie"].partition(";")[0]
    token = form_cookie.partition("=")[2]
    response = shop.client.post(
        "/sign-in",
        data={"csrf_token": token, "name": "user-clerk", "password": PASSWORD},
        headers={"Cookie": f"{form_cookie}; {sessions.COOKIE}={planted}"},
        content_type=FORM,
    )
    assert response.status_code == 303 and planted not in response.headers["Set-Cookie"]
    refused(shop, cookie(f"{sessions.COOKIE}={planted}"), 401)


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("user-operator", ""),
        ("user-operator", " "),
        ("user-operator", PASSWORD + "\x00"),
        ("user-operator", PASSWORD.upper()),
        ("user-operator", f" {PASSWORD}"),
        ("user-operator", "x" * 100_000),
        ("user-operator' OR '1'='1", PASSWORD),
        ("user-operator\x00", PASSWORD),
        ("../users/user-operator", PASSWORD),
        ("*", PASSWORD),
        ("", PASSWORD),
        ("\u212aey", PASSWORD),
        ("key-operator", PASSWORD),
    ],
)
def test_a_wrong_password_gives_no_access(shop: Scene, name: str, password: str) -> None:
    """No cookie is set, and only the attempt is recorded."""
    first = shop.client.get("/sign-in")
    form_cookie = first.headers["Set-Cookie"].partition(";")[0]
    wait_until_delivered(shop)
    before = everything(shop.app)
    response = shop.client.post(
        "/sign-in",
        data={"csrf_token": form_cookie.partition("=")[2], "name": name, "password": password},
        headers={"Cookie": form_cookie},
        content_type=FORM,
    )
    assert response.status_code in (401, 429)
    assert "Set-Cookie" not in response.headers
    assert everything(shop.app) | {"attempts": {}} == before | {"attempts": {}}


def test_neither_keys_nor_sessions_are_compared_letter_by_letter() -> None:
    """Key guessing by time: what is looked up is a hash, and what is compared, in constant time.

    A session is found by the hash of its token alone. A key is found by its prefix, which is no
    secret, and its hash is compared by hmac.compare_digest.
    """
    assert "compare_digest" in inspect.getsource(keys.identity_of)
    assert "==" not in inspect.getsource(keys.identity_of)
    assert "_hash(token)" in inspect.getsource(sessions.find)


CLOSED_TO_CLERKS: dict[str, Attack] = {
    f"a clerk opens {path}": opens(path)
    for path in ("/events", "/events/x", "/overview", "/stock", "/stock/tea", "/stock/%6dug")
} | {
    f"a clerk sends {path}": sends(path)
    for path in (
        *("/events/replay", "/events/x/billing/replay", "/events/x/billing/discard"),
        *("/events/faults", "/events/faults/billing/clear", "/stock", "/stock/tea"),
    )
}


@pytest.mark.parametrize("attack", CLOSED_TO_CLERKS)
def test_pages_outside_the_navigation_are_refused(shop: Scene, attack: str) -> None:
    """Neither an address nor a form with a valid CSRF token opens such a page."""
    refused(shop, CLOSED_TO_CLERKS[attack], 403)


def _hash_of_key(shop: Scene) -> str:
    return hashlib.sha256(shop.keys["operator"].encode()).hexdigest()
