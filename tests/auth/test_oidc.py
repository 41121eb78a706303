"""Sign-in by OpenID Connect, against a provider process that can misbehave on demand."""

import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from time import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient
from freezegun import freeze_time
from werkzeug.test import TestResponse

from app import create_app
from app.auth import sign_in_throttle
from app.auth.keys import create_key
from app.auth.oidc import OidcProvider, Registration
from app.auth.sessions import SESSIONS
from app.auth.sessions import begin as begin_session
from app.config import Config, from_environment
from app.http.security.derived_secret import derived_secret
from app.http.security.quotas import COUNTS
from app.inventory.documents import PRODUCTS
from app.kernel.errors import Invalid, Unavailable
from app.kernel.identity import Identity
from app.server.runtime import Runtime
from tests.auth.people import make_user
from tests.auth.provider_process import CLIENT_ID, CLIENT_SECRET
from tests.cli.shell import ROOT
from tests.transactions import transaction
from tests.web.page import Page, send

Misbehave = Callable[..., None]
Json = dict[str, Any]

ROLES = {"helpers": "clerk", "buyers": "manager", "owners": "operator"}


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """The issuer of a running provider."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.auth.provider_process"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    yield process.stdout.readline().strip()
    process.kill()
    process.communicate()


@pytest.fixture
def misbehave(issuer: str) -> Iterator[Misbehave]:
    """A function that changes the provider's next responses: misbehave(claims={"aud": "x"})."""

    def say(**otherwise: Any) -> None:
        requests.post(f"{issuer}/next", json=otherwise, timeout=10).raise_for_status()

    yield say
    say()


@pytest.fixture
def config(config: Config, issuer: str) -> Config:
    """A shop with this provider."""
    return replace(
        config,
        oidc_issuer=issuer,
        oidc_client_id=CLIENT_ID,
        oidc_client_secret=CLIENT_SECRET,
        oidc_roles=ROLES,
    )


def begin(client: FlaskClient, path: str = "/sign-in/provider") -> str:
    """The authorization URL to which a sign-in redirects."""
    response = client.get(path)
    assert response.status_code == 303
    return response.location


def callback(question: str) -> str:
    """The path and query to which the provider redirects the browser back."""
    response = requests.get(question, allow_redirects=False, timeout=10)
    assert response.status_code == 302, response.text
    parts = urlsplit(response.headers["Location"])
    return f"{parts.path}?{parts.query}"


def sign_in(client: FlaskClient, path: str = "/sign-in/provider") -> TestResponse:
    """Sign in by the provider; returns the response to the callback."""
    return client.get(callback(begin(client, path)))


def stored(runtime: Runtime) -> Json:
    """Every stored document but the counts of sign-in attempts."""
    with runtime.store.read() as view:
        return {
            each.name: {key: view.get(each.name, key) for key in view.keys(each.name)}
            for each in runtime.collections
            if each.name != COUNTS.name
        }


def add_product(client: FlaskClient, sku: str) -> None:
    """Add a product on the page of the stock."""
    send(client, Page(client.get("/stock")), "/stock", sku=sku, name="Pen", price="2.00")


def is_signed_in(client: FlaskClient) -> bool:
    """Whether the browser can open the desk."""
    return client.get("/desk").status_code == 200


def test_a_person_signs_in_by_the_provider(client: FlaskClient) -> None:
    """The browser returns to the page it asked for, under the name from the claims."""
    assert "Sign in with your organisation" in Page(client.get("/sign-in?next=/events")).text
    response = sign_in(client, "/sign-in/provider?next=/events")
    assert (response.status_code, response.location) == (303, "/events")
    assert "grace operator" in Page(client.get("/events")).text
    assert client.get_cookie("daybook_provider") is None


def test_the_authorization_request_is_bound_to_the_browser(client: FlaskClient, app: Flask) -> None:
    """PKCE with S256; state and nonce have 256 bits, are new each time, and not in the cookie."""
    asked = [parse_qs(urlsplit(begin(each)).query) for each in (client, app.test_client(), client)]
    for name in ("state", "nonce", "code_challenge"):
        values = [each[name][0] for each in asked]
        assert len(set(values)) == 3
        assert {len(value) for value in values} == {43}
    assert asked[0]["code_challenge_method"] == ["S256"]
    assert len({asked[0][name][0] for name in ("state", "nonce", "code_challenge")}) == 3
    cookie = client.get_cookie("daybook_provider")
    assert cookie is not None and cookie.http_only and cookie.same_site == "Lax"
    assert asked[2]["state"][0] not in cookie.value


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({"roles": ["helpers"]}, "clerk"),
        ({"roles": "buyers"}, "manager"),
        ({"roles": ["helpers", "owners", "others"]}, "operator"),
        ({"roles": ["others"]}, None),
        ({"roles": []}, None),
        ({"roles": None}, None),
        ({"roles": {"owners": True}}, None),
        ({"roles": [["owners"], 1, None]}, None),
        ({"roles": "operator"}, None),
        ({"roles": "OWNERS"}, None),
    ],
)
def test_the_role_comes_from_the_claim(
    client: FlaskClient, misbehave: Misbehave, claims: Json, role: str | None
) -> None:
    """The highest mapped role counts; a person without one is refused with the reason."""
    misbehave(claims=claims)
    response = sign_in(client)
    assert response.status_code == (303 if role else 403)
    assert is_signed_in(client) == bool(role)
    if role:
        assert f"grace {role}" in Page(client.get("/desk")).text
    else:
        assert "no role in this shop" in response.text


@pytest.mark.parametrize(
    ("claim", "claims"),
    [
        ("realm_access.roles", {"realm_access": {"roles": ["helpers"]}}),
        ("cognito:groups", {"cognito:groups": ["helpers"]}),
        ("https://shop.example/role", {"https://shop.example/role": "helpers"}),
    ],
)
def test_the_role_claim_may_be_nested_or_a_url(
    config: Config, misbehave: Misbehave, claim: str, claims: Json
) -> None:
    """Keycloak nests the claim, Cognito has a colon in its name, others use a URL."""
    app = create_app(replace(config, oidc_role_claim=claim))
    misbehave(claims=claims)
    client = app.test_client()
    assert sign_in(client).status_code == 303
    assert "grace clerk" in Page(client.get("/desk")).text
    app.extensions["daybook"].close()


@pytest.mark.parametrize(
    ("claims", "userinfo", "role"),
    [
        ({"roles": None}, {"roles": ["buyers"]}, "manager"),
        ({"roles": ["others"]}, {"roles": ["helpers"]}, "clerk"),
        ({"roles": ["helpers"]}, {"roles": ["owners"]}, "clerk"),
        ({"roles": None}, {"roles": ["others"]}, None),
    ],
)
def test_the_role_may_come_from_userinfo(
    client: FlaskClient, misbehave: Misbehave, claims: Json, userinfo: Json, role: str | None
) -> None:
    """The userinfo endpoint is asked when the ID token gives no role."""
    misbehave(claims=claims, userinfo=userinfo)
    assert sign_in(client).status_code == (303 if role else 403)
    if role:
        assert f"grace {role}" in Page(client.get("/desk")).text


def test_the_name_may_come_from_userinfo(client: FlaskClient, misbehave: Misbehave) -> None:
    """A provider that keeps the ID token small has the name beside the role."""
    misbehave(
        claims={"roles": None, "preferred_username": None},
        userinfo={"roles": ["owners"], "preferred_username": "grace"},
    )
    sign_in(client)
    assert "grace operator" in Page(client.get("/desk")).text


@pytest.mark.parametrize("sub", ["4712", None, 4711])
def test_the_userinfo_of_another_person_is_refused(
    client: FlaskClient, misbehave: Misbehave, sub: object
) -> None:
    """OpenID Connect Core 1.0, 5.3.2: its subject must be that of the ID token."""
    misbehave(claims={"roles": None}, userinfo={"sub": sub, "roles": ["owners"]})
    assert sign_in(client).status_code == 401
    assert not is_signed_in(client)


def test_userinfo_of_another_form_is_refused(client: FlaskClient, misbehave: Misbehave) -> None:
    """503 with a sentence, as for every response of a provider that is none."""
    misbehave(claims={"roles": None}, userinfo=["owners"])
    assert sign_in(client).status_code == 503
    assert not is_signed_in(client)


WRONG_TOKENS: dict[str, Json] = {
    "no signature": {"sign": "none"},
    "signed by our own secret": {"sign": "hmac"},
    "signed by a stranger's key": {"sign": "stranger"},
    "a cut signature": {"sign": "cut"},
    "for another client": {"claims": {"aud": "another"}},
    "for others and us, without saying by whom": {"claims": {"aud": ["another", CLIENT_ID]}},
    "given to another client": {"claims": {"aud": ["x", CLIENT_ID], "azp": "x"}},
    "no audience": {"claims": {"aud": None}},
    "another issuer": {"claims": {"iss": "https://evil.example"}},
    "no issuer": {"claims": {"iss": None}},
    "another nonce": {"claims": {"nonce": "x" * 43}},
    "no nonce": {"claims": {"nonce": None}},
    "expired": {"claims": {"exp": int(time()) - 3600}},
    "no end": {"claims": {"exp": None}},
    "an end that is no time": {"claims": {"exp": "tomorrow"}},
    "not yet valid": {"claims": {"nbf": int(time()) + 3600}},
    "issued tomorrow": {"claims": {"iat": int(time()) + 86400}},
    "nobody": {"claims": {"sub": None}},
    "the hash of another access token": {"claims": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}},
    "another state": {"query": {"state": "x" * 43}},
    "no state": {"query": {"state": None}},
    "an odd state": {"query": {"state": "\u00e9\U0001f600"}},
    "another provider answers": {"query": {"iss": "https://evil.example"}},
    "no code": {"query": {"code": None}},
    "a code that was never given": {"query": {"code": "x" * 22}},
    "the person said no": {"query": {"code": None, "error": "access_denied"}},
    "no grant": {"token": {"error": "invalid_grant"}},
}


@pytest.mark.parametrize("fault", WRONG_TOKENS)
def test_an_invalid_callback_or_token_is_refused(
    client: FlaskClient,
    runtime: Runtime,
    settled: Callable[[], None],
    misbehave: Misbehave,
    fault: str,
) -> None:
    """401, and nothing is stored but the attempt."""
    begun = begin(client)
    settled()
    before = stored(runtime)
    misbehave(**WRONG_TOKENS[fault])
    response = client.get(callback(begun))
    assert response.status_code == 401, response.text
    assert client.get_cookie("daybook_session") is None
    assert stored(runtime) == before


def test_a_callback_is_valid_once_and_in_one_browser(app: Flask, client: FlaskClient) -> None:
    """A stolen callback is useless, and cannot be planted in another browser."""
    back = callback(begin(client))
    thief = app.test_client()
    assert thief.get(back).status_code == 401
    begin(thief)
    assert thief.get(back).status_code == 401
    assert client.get(back).status_code == 303
    assert client.get(back).status_code == 401
    assert not is_signed_in(thief)


def test_a_forged_callback_asks_the_provider_nothing(client: FlaskClient, config: Config) -> None:
    """A browser that invents the secret of the cookie, and the state of it, is refused at once.

    A provider that is down shows it: asking it would be 503.
    """
    app = create_app(replace(config, oidc_issuer="http://127.0.0.1:9"))
    forger = app.test_client()
    stranger = OidcProvider(Registration(config.oidc_issuer or "", CLIENT_ID, "another secret"))
    for secret in ("x" * 43, f"{'x' * 43}:x:x", f"{'x' * 43}:é", stranger.new_secret()):
        forger.set_cookie("daybook_provider", f"{secret}.%2F")
        state = derived_secret(secret, "state")
        asked = forger.get("/sign-in/back", query_string={"state": state, "code": "x"})
        assert asked.status_code == 401
    app.extensions["daybook"].close()


def test_a_sign_in_has_to_end_within_ten_minutes(client: FlaskClient, config: Config) -> None:
    """The shop refuses an older cookie, whatever the browser does; the provider is not asked."""
    app = create_app(replace(config, oidc_issuer="http://127.0.0.1:9"))
    with freeze_time("2026-11-21T09:00:00Z") as clock:
        state = parse_qs(urlsplit(begin(client)).query)["state"][0]
        cookie = client.get_cookie("daybook_provider")
        assert cookie is not None
        for seconds, status in ((600, 503), (1, 401), (-700, 401)):
            clock.tick(timedelta(seconds=seconds))
            late = app.test_client()
            late.set_cookie("daybook_provider", cookie.value)
            asked = late.get("/sign-in/back", query_string={"state": state, "code": "x"})
            assert asked.status_code == status
    app.extensions["daybook"].close()


def test_failed_callbacks_are_counted_by_address(client: FlaskClient, runtime: Runtime) -> None:
    """Those of the state that this shop issued too; over the limit the provider is not asked."""
    with transaction(runtime.store) as tx:
        for _ in range(sign_in_throttle.MAX_ATTEMPTS_PER_ADDRESS - 2):
            sign_in_throttle.count_address(tx, "127.0.0.1")
    assert sign_in(client).status_code == 303  # a success does not count
    refusal = parse_qs(urlsplit(begin(client)).query)["state"][0]
    denied = client.get("/sign-in/back", query_string={"state": refusal, "error": "access_denied"})
    assert denied.status_code == 401  # nor does a refusal by the provider, which is not asked
    for status in (401, 401, 429):
        state = parse_qs(urlsplit(begin(client)).query)["state"][0]
        asked = client.get("/sign-in/back", query_string={"state": state, "code": "x"})
        assert asked.status_code == status
    assert int(asked.headers["Retry-After"]) > 0


def test_a_code_of_another_sign_in_is_refused(client: FlaskClient) -> None:
    """PKCE: a stolen code does not match the verifier of another browser."""
    caught = parse_qs(urlsplit(callback(begin(client))).query)["code"][0]
    own = urlsplit(callback(begin(client)))
    query = parse_qs(own.query) | {"code": [caught]}
    asked = client.get(own.path, query_string={name: value[0] for name, value in query.items()})
    assert asked.status_code == 401


def test_a_provider_that_is_down_is_reported(config: Config) -> None:
    """503 with a sentence; signing in with a password still works."""
    app = create_app(replace(config, oidc_issuer="http://127.0.0.1:9"))
    make_user(app, "ada", "clerk")
    client = app.test_client()
    response = client.get("/sign-in/provider")
    assert response.status_code == 503 and "does not respond as it should" in response.text
    assert "password" in Page(client.get("/sign-in")).fields
    app.extensions["daybook"].close()


@pytest.mark.parametrize(
    "response", [{}, {"access_token": "x"}, {"id_token": 7}, {"id_token": "x"}]
)
def test_an_incomplete_token_response_is_refused(
    client: FlaskClient, misbehave: Misbehave, response: Json
) -> None:
    """It never causes a 500."""
    misbehave(token=response)
    assert sign_in(client).status_code in (401, 503)
    assert not is_signed_in(client)


@pytest.mark.parametrize("name", ["ada", "Ada", "local", "till-1"])
def test_a_provider_name_that_is_taken_is_refused(
    app: Flask, client: FlaskClient, runtime: Runtime, misbehave: Misbehave, name: str
) -> None:
    """Names of users and keys, and reserved names, would make records ambiguous."""
    make_user(app, "ada", "clerk")
    with transaction(runtime.store) as tx:
        create_key(tx, "till-1", "clerk")
    misbehave(claims={"preferred_username": name})
    assert sign_in(client).status_code == 409
    assert not is_signed_in(client)


def test_two_people_of_one_name_are_told_apart(
    app: Flask, client: FlaskClient, runtime: Runtime, misbehave: Misbehave, issuer: str
) -> None:
    """Issuer and subject are the identity; pages greet both by the name that records extend."""
    other = app.test_client()
    sign_in(client)
    misbehave(claims={"sub": "4712"})
    sign_in(other)
    for browser in (client, other):
        assert "grace operator" in Page(browser.get("/desk")).text
        assert "1 place," in Page(browser.get("/sign-in")).text
        add_product(browser, "pen-b" if browser is other else "pen-a")
    with runtime.store.read() as view:
        names = [each["changed_by"] for each in view.find(PRODUCTS.name).documents]
    ids = [hashlib.sha256(f"{issuer} {sub}".encode()).hexdigest() for sub in ("4711", "4712")]
    assert names == [f"grace#{each[:8]}" for each in ids]
    send(other, Page(other.get("/sign-in")), "/sign-out/everywhere")
    assert (is_signed_in(client), is_signed_in(other)) == (True, False)


def test_a_person_with_a_new_name_stays_the_same(
    app: Flask, client: FlaskClient, runtime: Runtime, misbehave: Misbehave
) -> None:
    """They see the sessions under their earlier name, and can end them."""
    renamed = app.test_client()
    sign_in(client)
    misbehave(claims={"preferred_username": "hopper"})
    sign_in(renamed)
    assert "hopper operator" in Page(renamed.get("/desk")).text
    assert "2 places," in Page(renamed.get("/sign-in")).text
    send(renamed, Page(renamed.get("/sign-in")), "/sign-out/everywhere")
    assert not is_signed_in(client)


def test_a_session_of_an_older_daybook_ends(
    client: FlaskClient, runtime: Runtime, issuer: str
) -> None:
    """It has the name of a provider's person only; that of a user goes on."""
    make_user(client.application, "ada", "operator")
    for user, by, works in (("grace", issuer, False), ("ada", "", True)):
        with transaction(runtime.store) as tx:
            token = begin_session(tx, Identity(user, "operator"), by)
            key = hashlib.sha256(token.encode()).hexdigest()
            stored = dict(tx.get(SESSIONS.name, key) or {})
            del stored["name"]
            tx.put(SESSIONS.name, stored)
        client.set_cookie("daybook_session", token)
        assert is_signed_in(client) == works


def test_a_subject_that_is_no_text_is_refused(client: FlaskClient, misbehave: Misbehave) -> None:
    """OpenID Connect Core 1.0, 2: the subject is a string; another would be another person's."""
    for sub in (4711, "", ["4711"], "x" * 256):
        misbehave(claims={"sub": sub})
        assert sign_in(client).status_code == 401


def test_a_name_is_one_line_of_text(client: FlaskClient, misbehave: Misbehave) -> None:
    """Otherwise the next claim counts, at last the subject."""
    misbehave(claims={"preferred_username": "a\nb", "email": 7})
    sign_in(client)
    assert "4711 operator" in Page(client.get("/desk")).text


def test_sessions_end_with_the_provider(client: FlaskClient, config: Config) -> None:
    """A session of a provider that is no longer set is refused."""
    sign_in(client)
    token = client.get_cookie("daybook_session")
    assert token is not None and is_signed_in(client)
    for issuer in (None, "https://other.example"):
        app = create_app(replace(config, oidc_issuer=issuer))
        make_user(app, f"ada-{len(issuer or '')}", "clerk")
        other = app.test_client()
        other.set_cookie("daybook_session", token.value)
        assert not is_signed_in(other)
        app.extensions["daybook"].close()


def test_a_shop_with_a_provider_requires_authentication(
    client: FlaskClient, runtime: Runtime
) -> None:
    """It does so without keys and users."""
    assert client.get("/order").status_code == 401
    assert "flask user create" not in client.get("/sign-in").text
    with runtime.store.read() as view:
        assert view.count(SESSIONS.name) == 0


SETTINGS = {
    "DAYBOOK_OIDC_ISSUER": "https://login.example.org/shop/",
    "DAYBOOK_OIDC_CLIENT_ID": "daybook",
    "DAYBOOK_OIDC_CLIENT_SECRET": "s3cret/of-the-client",
    "DAYBOOK_OIDC_ROLES": "helpers=clerk, a=b=manager ,owners=operator",
}


def test_the_settings_of_a_provider() -> None:
    """The issuer is kept letter by letter; a claim value may have an equals sign."""
    config = from_environment(SETTINGS)
    assert config.oidc_issuer == "https://login.example.org/shop/"
    assert config.oidc_roles == {"helpers": "clerk", "a=b": "manager", "owners": "operator"}
    assert "s3cret" not in repr(config)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"DAYBOOK_OIDC_ISSUER": "http://login.example.org"}, "must be an https address"),
        ({"DAYBOOK_OIDC_ISSUER": "login.example.org"}, "must be the address"),
        ({"DAYBOOK_OIDC_ROLES": "owners"}, "which value of the claim means which role"),
        ({"DAYBOOK_OIDC_ROLES": "owners=king"}, "which value of the claim means which role"),
        ({"DAYBOOK_OIDC_ROLES": "=clerk"}, "which value of the claim means which role"),
        ({"DAYBOOK_OIDC_ROLES": None}, "DAYBOOK_OIDC_ROLES: is needed too"),
        ({"DAYBOOK_OIDC_CLIENT_SECRET": None}, "DAYBOOK_OIDC_CLIENT_SECRET: is needed too"),
        ({"DAYBOOK_OIDC_CLIENT_SECRET": "s3cret\n2"}, "must be text in one line$"),
    ],
)
def test_wrong_settings_are_refused(change: dict[str, str | None], reason: str) -> None:
    """The error names the setting to change, and not the secret."""
    given = {name: value for name, value in (SETTINGS | change).items() if value is not None}
    with pytest.raises(Invalid, match=reason) as refused:
        from_environment(given)
    assert "s3cret" not in str(refused.value)
    assert not isinstance(refused.value, Unavailable)
