"""Sign-in by a provider, against a real one in a process of its own that also misbehaves."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from time import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import create_app
from app.auth.keys import create_key
from app.auth.sessions import SESSIONS
from app.config import Config, from_environment
from app.kernel.errors import Invalid, Unavailable
from app.server.runtime import Runtime
from tests.auth.people import make_user
from tests.auth.provider_process import CLIENT_ID, CLIENT_SECRET
from tests.cli.shell import ROOT
from tests.web.page import Page

Misbehave = Callable[..., None]
Json = dict[str, Any]

ROLES = {"helpers": "clerk", "buyers": "manager", "owners": "operator"}


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """The address of a running provider."""
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
    """A function that says what the provider does otherwise: misbehave(claims={"aud": "x"})."""

    def say(**otherwise: Any) -> None:
        requests.post(f"{issuer}/next", json=otherwise, timeout=10).raise_for_status()

    yield say
    say()


@pytest.fixture
def config(config: Config, issuer: str) -> Config:
    """A shop that has this provider."""
    return replace(
        config,
        oidc_issuer=issuer,
        oidc_client_id=CLIENT_ID,
        oidc_client_secret=CLIENT_SECRET,
        oidc_roles=ROLES,
    )


def begin(client: FlaskClient, path: str = "/sign-in/provider") -> str:
    """Where the browser is sent when somebody begins."""
    answer = client.get(path)
    assert answer.status_code == 303
    return answer.location


def way_back(question: str) -> str:
    """Path and query under which the provider sends the browser back."""
    answer = requests.get(question, allow_redirects=False, timeout=10)
    assert answer.status_code == 302, answer.text
    parts = urlsplit(answer.headers["Location"])
    return f"{parts.path}?{parts.query}"


def sign_in(client: FlaskClient, path: str = "/sign-in/provider") -> TestResponse:
    """The whole way there and back."""
    return client.get(way_back(begin(client, path)))


def is_in(client: FlaskClient) -> bool:
    """Whether the desk opens."""
    return client.get("/desk").status_code == 200


def test_a_person_signs_in_by_the_provider(client: FlaskClient) -> None:
    """There and back to the page that was wanted, under the name that the provider gives."""
    assert "Sign in with your organisation" in Page(client.get("/sign-in?next=/events")).text
    answer = sign_in(client, "/sign-in/provider?next=/events")
    assert (answer.status_code, answer.location) == (303, "/events")
    assert "grace operator" in Page(client.get("/events")).text
    assert client.get_cookie("daybook_provider") is None


def test_the_question_is_one_that_nobody_else_can_answer(client: FlaskClient, app: Flask) -> None:
    """Code flow, PKCE with S256; state and nonce of 256 bits, new each time, not in the cookie."""
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
    """The highest that is mapped; a person without one is refused, and told so."""
    misbehave(claims=claims)
    answer = sign_in(client)
    assert answer.status_code == (303 if role else 403)
    assert is_in(client) == bool(role)
    if role:
        assert f"grace {role}" in Page(client.get("/desk")).text
    else:
        assert "no role in this shop" in answer.text


@pytest.mark.parametrize(
    ("claim", "claims"),
    [
        ("realm_access.roles", {"realm_access": {"roles": ["helpers"]}}),
        ("cognito:groups", {"cognito:groups": ["helpers"]}),
        ("https://shop.example/role", {"https://shop.example/role": "helpers"}),
    ],
)
def test_makers_put_the_role_in_different_places(
    config: Config, misbehave: Misbehave, claim: str, claims: Json
) -> None:
    """Keycloak within another claim, Cognito under a name with a colon, others under a URL."""
    app = create_app(replace(config, oidc_role_claim=claim))
    misbehave(claims=claims)
    client = app.test_client()
    assert sign_in(client).status_code == 303
    assert "grace clerk" in Page(client.get("/desk")).text
    app.extensions["daybook"].close()


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
def test_what_is_not_right_signs_nobody_in(
    client: FlaskClient, runtime: Runtime, misbehave: Misbehave, fault: str
) -> None:
    """401, and nothing is written."""
    begun = begin(client)
    before = runtime.store.position()
    misbehave(**WRONG_TOKENS[fault])
    answer = client.get(way_back(begun))
    assert answer.status_code == 401, answer.text
    assert client.get_cookie("daybook_session") is None
    assert runtime.store.position() == before


def test_an_answer_is_good_once_and_in_one_browser(app: Flask, client: FlaskClient) -> None:
    """Who steals the way back cannot use it, nor can somebody be made to come back as another."""
    back = way_back(begin(client))
    thief = app.test_client()
    assert thief.get(back).status_code == 401
    begin(thief)
    assert thief.get(back).status_code == 401
    assert client.get(back).status_code == 303
    assert client.get(back).status_code == 401
    assert not is_in(thief)


def test_a_code_of_one_way_does_not_fit_another(client: FlaskClient) -> None:
    """PKCE: a caught code does not fit the verifier of the browser that it is brought to."""
    caught = parse_qs(urlsplit(way_back(begin(client))).query)["code"][0]
    own = urlsplit(way_back(begin(client)))
    query = parse_qs(own.query) | {"code": [caught]}
    asked = client.get(own.path, query_string={name: value[0] for name, value in query.items()})
    assert asked.status_code == 401


def test_a_provider_that_is_down_is_told_in_words(config: Config) -> None:
    """503, and a password still works."""
    app = create_app(replace(config, oidc_issuer="http://127.0.0.1:9"))
    make_user(app, "ada", "clerk")
    client = app.test_client()
    answer = client.get("/sign-in/provider")
    assert answer.status_code == 503 and "does not answer as it should" in answer.text
    assert "password" in Page(client.get("/sign-in")).fields
    app.extensions["daybook"].close()


@pytest.mark.parametrize("answer", [{}, {"access_token": "x"}, {"id_token": 7}, {"id_token": "x"}])
def test_half_an_answer_is_none(client: FlaskClient, misbehave: Misbehave, answer: Json) -> None:
    """Whatever the provider sends, nobody meets a 500."""
    misbehave(token=answer)
    assert sign_in(client).status_code in (401, 503)
    assert not is_in(client)


@pytest.mark.parametrize("name", ["ada", "Ada", "local", "till-1"])
def test_a_person_of_the_provider_is_not_taken_for_another(
    app: Flask, client: FlaskClient, runtime: Runtime, misbehave: Misbehave, name: str
) -> None:
    """Names of users, of keys and of the books are taken: the books could not tell them apart."""
    make_user(app, "ada", "clerk")
    with runtime.store.transaction() as tx:
        create_key(tx, "till-1", "clerk")
    misbehave(claims={"preferred_username": name})
    assert sign_in(client).status_code == 409
    assert not is_in(client)


def test_a_name_is_one_line_of_text(client: FlaskClient, misbehave: Misbehave) -> None:
    """Else the next claim counts, at last the subject."""
    misbehave(claims={"preferred_username": "a\nb", "email": 7})
    sign_in(client)
    assert "4711 operator" in Page(client.get("/desk")).text


def test_sessions_end_with_the_provider(client: FlaskClient, config: Config) -> None:
    """Who answers for these people is no longer asked, so they are not let in any more."""
    sign_in(client)
    token = client.get_cookie("daybook_session")
    assert token is not None and is_in(client)
    for issuer in (None, "https://other.example"):
        app = create_app(replace(config, oidc_issuer=issuer))
        make_user(app, f"ada-{len(issuer or '')}", "clerk")
        other = app.test_client()
        other.set_cookie("daybook_session", token.value)
        assert not is_in(other)
        app.extensions["daybook"].close()


def test_a_shop_with_a_provider_asks_everybody(client: FlaskClient, runtime: Runtime) -> None:
    """Though it has neither keys nor users."""
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
    """The issuer stays as it is, letter for letter; a value may have an equals sign in it."""
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
    """At the start, with what to change, and without the secret."""
    given = {name: value for name, value in (SETTINGS | change).items() if value is not None}
    with pytest.raises(Invalid, match=reason) as refused:
        from_environment(given)
    assert "s3cret" not in str(refused.value)
    assert not isinstance(refused.value, Unavailable)
