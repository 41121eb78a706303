"""Sessions: their cookie, their token, and what ends them."""

from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from freezegun import freeze_time

from app import create_app
from app.auth import sessions
from app.auth.sessions import SESSIONS, SESSIONS_EXPIRY
from app.auth.users import USERS, change_password, change_role, remove_user
from app.config import Config
from app.kernel.identity import Identity
from app.server.runtime import Runtime
from app.store import Document
from app.store.expiry import delete_expired
from app.web.layout.csrf import COOKIE as FORM_COOKIE
from tests.auth.people import PASSWORD, make_user, sign_in, signed_in
from tests.transactions import transaction
from tests.web.page import Page, send

START = "2026-11-21T09:00:00Z"


def stored_sessions(runtime: Runtime) -> list[Document]:
    """The sessions in the store, oldest first."""
    with runtime.store.read() as view:
        return view.find(SESSIONS.name).documents


def is_signed_in(client: FlaskClient) -> bool:
    """Whether the browser can open the desk."""
    return client.get("/desk").status_code == 200


def test_a_user_signs_in_and_out(app: Flask, client: FlaskClient) -> None:
    """The page shows the name; after signing out the desk is closed."""
    make_user(app, "ada", "clerk")
    assert not is_signed_in(client)
    page = sign_in(client, " Ada ")
    assert "ada clerk" in page.text and is_signed_in(client)
    assert "You are signed out" in send(client, page, "/sign-out").text
    assert not is_signed_in(client)


def test_the_token_is_stored_as_a_hash_only(app: Flask, runtime: Runtime) -> None:
    """A copy of the data folder is of no use to sign in."""
    token = _token(signed_in(app, "ada", "clerk"))
    assert len(token) == 43  # 256 bits in base64
    runtime.close()
    files = [path.read_bytes() for path in runtime.config.data.rglob("*") if path.is_file()]
    assert not any(token.encode() in content for content in files)


def test_the_cookie_has_safe_attributes(app: Flask, client: FlaskClient) -> None:
    """HttpOnly, SameSite, all paths, no domain, until the browser is closed."""
    make_user(app, "ada", "clerk")
    form = Page(client.get("/sign-in")).form("/sign-in").filled(name="ada", password=PASSWORD)
    given = client.post("/sign-in", data=form).headers["Set-Cookie"]
    assert given.startswith("daybook_session=")
    assert {part.strip() for part in given.split(";")[1:]} == {"HttpOnly", "Path=/", "SameSite=Lax"}


@pytest.mark.parametrize("by", ["tls", "url"])
def test_over_tls_the_cookies_are_for_this_host_alone(config: Config, by: str) -> None:
    """They are __Host- and Secure over TLS, and behind the proxy that DAYBOOK_URL declares."""
    app = create_app(replace(config, url="https://localhost" if by == "url" else None))
    make_user(app, "ada", "clerk")
    client = app.test_client()
    base = "https://localhost" if by == "tls" else "http://localhost"
    first = client.get("/sign-in", base_url=base)
    assert first.headers["Set-Cookie"].startswith(f"__Host-{FORM_COOKIE}=")
    form = Page(first).form("/sign-in").filled(name="ada", password=PASSWORD)
    cookie = first.headers["Set-Cookie"].partition(";")[0]
    response = client.post("/sign-in", data=form, base_url=base, headers={"Cookie": cookie})
    given = response.headers["Set-Cookie"]
    assert given.startswith("__Host-daybook_session=")
    assert {part.strip() for part in given.split(";")[1:]} == {
        *("Secure", "HttpOnly", "Path=/", "SameSite=Lax")
    }
    for prefix, status in (("__Host-", 200), ("", 401)):
        sent = {"Cookie": prefix + given.partition(";")[0].removeprefix("__Host-")}
        stranger = app.test_client(use_cookies=False)
        assert stranger.get("/desk", base_url=base, headers=sent).status_code == status
    app.extensions["daybook"].close()


def test_signing_in_makes_a_new_token_and_ends_the_old_one(app: Flask, runtime: Runtime) -> None:
    """A token that was planted or stolen before is invalid afterwards."""
    client = signed_in(app, "ada", "clerk")
    old = _token(client)
    client.post("/sign-in", data=_form(client, old))
    assert _token(client) != old
    assert len(stored_sessions(runtime)) == 1
    assert not is_signed_in(_with_token(app, old))
    assert is_signed_in(client)


def test_a_planted_token_does_not_become_a_session(app: Flask, client: FlaskClient) -> None:
    """Only the server creates tokens (session fixation)."""
    make_user(app, "ada", "clerk")
    client.set_cookie(sessions.COOKIE, "planted-by-somebody")
    sign_in(client, "ada")
    assert _token(client) != "planted-by-somebody"
    assert not is_signed_in(_with_token(app, "planted-by-somebody"))


def test_a_stolen_cookie_is_invalid_after_signing_out(app: Flask) -> None:
    """The session ends in the store, not only in the browser."""
    client = signed_in(app, "ada", "clerk")
    thief = _with_token(app, _token(client))
    assert is_signed_in(thief)
    send(client, Page(client.get("/desk")), "/sign-out")
    assert not is_signed_in(thief)


def test_signing_out_everywhere_ends_all_sessions_of_one_user(app: Flask, runtime: Runtime) -> None:
    """Sessions of other users go on."""
    first, other = signed_in(app, "ada", "clerk"), signed_in(app, "bo", "clerk")
    second = app.test_client()
    sign_in(second, "ada")
    assert "2 places" in Page(second.get("/sign-in")).text
    send(second, Page(second.get("/sign-in")), "/sign-out/everywhere")
    assert [is_signed_in(each) for each in (first, second, other)] == [False, False, True]


@pytest.mark.parametrize("change", ["password", "role", "removed", "edited"])
def test_a_change_of_the_user_ends_the_session(app: Flask, runtime: Runtime, change: str) -> None:
    """This holds for hand edits of users.json too."""
    client = signed_in(app, "ada", "manager")
    make_user(app, "bo", "clerk")
    with transaction(runtime.store) as tx:
        if change == "password":
            change_password(tx, "ada", "$argon2id$v=19$m=1,t=1,p=1$YQ$YQ")
        elif change == "role":
            change_role(tx, "ada", "clerk")
        elif change == "removed":
            remove_user(tx, "ada")
        else:
            tx.delete(USERS.name, "ada")
    assert not is_signed_in(client)
    assert (change == "edited") == bool(stored_sessions(runtime))


def test_a_clock_that_was_ahead_keeps_no_session(app: Flask, runtime: Runtime) -> None:
    """A session begun in 2036 is none in 2026, and the next sign-in deletes it."""
    with freeze_time("2036-11-21T09:00:00Z"):
        client = signed_in(app, "ada", "clerk")
        assert is_signed_in(client)
    with freeze_time(START):
        assert not is_signed_in(client)
        sign_in(client, "ada")
        assert is_signed_in(client)
    assert [each["began"][:4] for each in stored_sessions(runtime)] == ["2026"]


def test_a_clock_that_steps_back_ends_no_session(app: Flask, client: FlaskClient) -> None:
    """A second, by which a time server corrects it, signs nobody out."""
    with freeze_time(START) as clock:
        make_user(app, "ada", "clerk")
        sign_in(client, "ada")
        clock.tick(timedelta(seconds=-1))
        assert is_signed_in(client)


def test_an_unused_session_expires(app: Flask, client: FlaskClient) -> None:
    """It expires two hours after its last use."""
    with freeze_time(START) as clock:
        make_user(app, "ada", "clerk")
        sign_in(client, "ada")
        for _ in range(3):
            clock.tick(timedelta(hours=1, minutes=55))
            assert is_signed_in(client)
        clock.tick(timedelta(hours=2, seconds=1))
        assert not is_signed_in(client)


def test_a_used_session_expires(app: Flask, client: FlaskClient) -> None:
    """It expires twelve hours after its start."""
    with freeze_time(START) as clock:
        make_user(app, "ada", "clerk")
        sign_in(client, "ada")
        for _ in range(12):
            clock.tick(timedelta(minutes=59))
            assert is_signed_in(client)
        clock.tick(timedelta(minutes=13))
        assert not is_signed_in(client)


def test_an_open_page_does_not_keep_its_session_alive(app: Flask, client: FlaskClient) -> None:
    """Requests of its script are no use by a person."""
    with freeze_time(START) as clock:
        make_user(app, "ada", "clerk")
        sign_in(client, "ada")
        for _ in range(4):
            clock.tick(timedelta(minutes=29))
            response = client.get("/desk", headers={"Sec-Fetch-Dest": "empty"})
            assert response.status_code == 200
        clock.tick(timedelta(minutes=5))
        assert not is_signed_in(client)


def test_reading_writes_nothing_for_five_minutes(config: Config) -> None:
    """After that one record says that the session was used."""
    app = create_app(config, delivers=False)  # a dispatcher writes when it begins
    client, runtime = app.test_client(), app.extensions["daybook"]
    with closing(runtime), freeze_time(START) as clock:
        make_user(app, "ada", "clerk")
        sign_in(client, "ada")
        before = runtime.store.position()
        for _ in range(20):
            assert is_signed_in(client)
        assert runtime.store.position() == before
        clock.tick(timedelta(minutes=5, seconds=1))
        for _ in range(20):
            assert is_signed_in(client)
        assert runtime.store.position() == before + 1


def test_expired_and_surplus_sessions_are_deleted(runtime: Runtime) -> None:
    """Signing in often does not fill the store."""
    with freeze_time(START) as clock:
        for n in range(25):
            clock.tick(timedelta(seconds=1))
            with transaction(runtime.store) as tx:
                sessions.begin(tx, Identity("ada" if n else "bo", "clerk"))
        users = [each["user"] for each in stored_sessions(runtime)]
        assert (users.count("ada"), users.count("bo")) == (20, 1)
        clock.tick(timedelta(hours=13))
        assert delete_expired(runtime.store, SESSIONS_EXPIRY)
        assert stored_sessions(runtime) == []


def test_a_session_is_read_only_in_the_api(app: Flask, catalogue: dict[str, str]) -> None:
    """Forms carry a CSRF token; API requests have none."""
    client = signed_in(app, "ada", "operator")
    assert client.get("/order").status_code == 200
    assert client.post("/order", json={}).status_code == 401
    assert client.delete("/order/1001").status_code == 401


def _token(client: FlaskClient) -> str:
    cookie = client.get_cookie(sessions.COOKIE)
    return cookie.value if cookie else ""


def _with_token(app: Flask, token: str) -> FlaskClient:
    client = app.test_client()
    client.set_cookie(sessions.COOKIE, token)
    return client


def _form(client: FlaskClient, token: str) -> dict[str, str]:
    """The sign-in form, as a signed-in user gets it."""
    page = Page(client.get("/sign-in"))
    csrf_token = page.form("/sign-out").fields["csrf_token"]["value"]
    return {"csrf_token": csrf_token, "name": "ada", "password": PASSWORD}
