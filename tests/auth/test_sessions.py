"""Sessions: begun at the door, carried by a cookie, ended by time, by hand, or by a change."""

from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from freezegun import freeze_time

from app import create_app
from app.auth import sessions
from app.auth.sessions import SESSIONS
from app.auth.users import USERS, change_password, change_role, remove_user
from app.config import Config
from app.http.security.identity import Identity
from app.server.runtime import Runtime
from app.store import Document
from app.web.layout.csrf import COOKIE as FORM_COOKIE
from tests.auth.people import PASSWORD, make_user, sign_in, signed_in
from tests.web.page import Page, send

START = "2026-11-21T09:00:00Z"


def kept(runtime: Runtime) -> list[Document]:
    """The sessions in the store, oldest first."""
    with runtime.read() as view:
        return view.find(SESSIONS.name).documents


def is_in(client: FlaskClient) -> bool:
    """Whether the desk opens."""
    return client.get("/desk").status_code == 200


def test_who_signs_in_gets_to_the_desk_and_out_again(app: Flask, client: FlaskClient) -> None:
    """The page says who is signed in; after signing out the desk is closed."""
    make_user(app, "ada", "clerk")
    assert not is_in(client)
    page = sign_in(client, " Ada ")
    assert "ada clerk" in page.text and is_in(client)
    assert "You are signed out" in send(client, page, "/sign-out").text
    assert not is_in(client)


def test_the_token_is_kept_as_a_hash_only(app: Flask, runtime: Runtime) -> None:
    """Whoever reads the data folder, or a backup, cannot use what stands there."""
    token = _token(signed_in(app, "ada", "clerk"))
    assert len(token) == 43  # 256 bits in base64
    runtime.close()
    files = [path.read_bytes() for path in runtime.config.data.rglob("*") if path.is_file()]
    assert not any(token.encode() in content for content in files)


def test_the_cookie_is_not_for_scripts_nor_for_other_sites(app: Flask, client: FlaskClient) -> None:
    """HttpOnly, SameSite, all paths, no domain, gone with the browser."""
    make_user(app, "ada", "clerk")
    form = Page(client.get("/sign-in")).form("/sign-in").filled(name="ada", password=PASSWORD)
    given = client.post("/sign-in", data=form).headers["Set-Cookie"]
    assert given.startswith("daybook_session=")
    assert {part.strip() for part in given.split(";")[1:]} == {"HttpOnly", "Path=/", "SameSite=Lax"}


@pytest.mark.parametrize("by", ["tls", "url"])
def test_over_tls_the_cookies_are_for_this_host_alone(config: Config, by: str) -> None:
    """__Host- and Secure: served by TLS, or behind the proxy that DAYBOOK_URL declares."""
    app = create_app(replace(config, url="https://localhost" if by == "url" else None))
    make_user(app, "ada", "clerk")
    client = app.test_client()
    base = "https://localhost" if by == "tls" else "http://localhost"
    first = client.get("/sign-in", base_url=base)
    assert first.headers["Set-Cookie"].startswith(f"__Host-{FORM_COOKIE}=")
    form = Page(first).form("/sign-in").filled(name="ada", password=PASSWORD)
    cookie = first.headers["Set-Cookie"].partition(";")[0]
    answer = client.post("/sign-in", data=form, base_url=base, headers={"Cookie": cookie})
    given = answer.headers["Set-Cookie"]
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
    """A token that somebody planted or stole before is worth nothing afterwards."""
    client = signed_in(app, "ada", "clerk")
    old = _token(client)
    client.post("/sign-in", data=_form(client, old))
    assert _token(client) != old
    assert len(kept(runtime)) == 1
    assert not is_in(_with_token(app, old))
    assert is_in(client)


def test_a_planted_token_does_not_become_a_session(app: Flask, client: FlaskClient) -> None:
    """The server makes tokens; it takes none (session fixation)."""
    make_user(app, "ada", "clerk")
    client.set_cookie(sessions.COOKIE, "planted-by-somebody")
    sign_in(client, "ada")
    assert _token(client) != "planted-by-somebody"
    assert not is_in(_with_token(app, "planted-by-somebody"))


def test_a_stolen_cookie_is_worth_nothing_after_signing_out(app: Flask) -> None:
    """The session ends in the store, not only in the browser."""
    client = signed_in(app, "ada", "clerk")
    thief = _with_token(app, _token(client))
    assert is_in(thief)
    send(client, Page(client.get("/desk")), "/sign-out")
    assert not is_in(thief)


def test_signing_out_everywhere_ends_all_sessions_of_one(app: Flask, runtime: Runtime) -> None:
    """And nobody else's."""
    first, other = signed_in(app, "ada", "clerk"), signed_in(app, "bo", "clerk")
    second = app.test_client()
    sign_in(second, "ada")
    assert "2 places" in Page(second.get("/sign-in")).text
    send(second, Page(second.get("/sign-in")), "/sign-out/everywhere")
    assert [is_in(each) for each in (first, second, other)] == [False, False, True]


@pytest.mark.parametrize("change", ["password", "role", "removed", "edited"])
def test_a_change_of_the_user_ends_the_session(app: Flask, runtime: Runtime, change: str) -> None:
    """Also where users.json was edited by hand."""
    client = signed_in(app, "ada", "manager")
    make_user(app, "bo", "clerk")
    with runtime.transaction() as tx:
        if change == "password":
            change_password(tx, "ada", "$argon2id$v=19$m=1,t=1,p=1$YQ$YQ")
        elif change == "role":
            change_role(tx, "ada", "clerk")
        elif change == "removed":
            remove_user(tx, "ada")
        else:
            tx.delete(USERS.name, "ada")
    assert not is_in(client)
    assert (change == "edited") == bool(kept(runtime))


def test_a_session_that_nobody_uses_ends(app: Flask, client: FlaskClient) -> None:
    """After two hours; use puts that off."""
    with freeze_time(START) as clock:
        make_user(app, "ada", "clerk")
        sign_in(client, "ada")
        for _ in range(3):
            clock.tick(timedelta(hours=1, minutes=55))
            assert is_in(client)
        clock.tick(timedelta(hours=2, seconds=1))
        assert not is_in(client)


def test_a_session_ends_though_it_is_used(app: Flask, client: FlaskClient) -> None:
    """After twelve hours, whatever happens."""
    with freeze_time(START) as clock:
        make_user(app, "ada", "clerk")
        sign_in(client, "ada")
        for _ in range(12):
            clock.tick(timedelta(minutes=59))
            assert is_in(client)
        clock.tick(timedelta(minutes=13))
        assert not is_in(client)


def test_an_open_page_does_not_keep_its_session_alive(app: Flask, client: FlaskClient) -> None:
    """What its script asks for is no use by a person."""
    with freeze_time(START) as clock:
        make_user(app, "ada", "clerk")
        sign_in(client, "ada")
        for _ in range(4):
            clock.tick(timedelta(minutes=29))
            answer = client.get("/desk", headers={"Sec-Fetch-Dest": "empty"})
            assert answer.status_code == 200
        clock.tick(timedelta(minutes=5))
        assert not is_in(client)


def test_reading_writes_nothing_for_five_minutes(config: Config) -> None:
    """The journal stays as it is; then one record says that the session is used."""
    app = create_app(config, delivers=False)  # a dispatcher writes when it begins
    client, runtime = app.test_client(), app.extensions["daybook"]
    with closing(runtime), freeze_time(START) as clock:
        make_user(app, "ada", "clerk")
        sign_in(client, "ada")
        before = runtime.position()
        for _ in range(20):
            assert is_in(client)
        assert runtime.position() == before
        clock.tick(timedelta(minutes=5, seconds=1))
        for _ in range(20):
            assert is_in(client)
        assert runtime.position() == before + 1


def test_old_sessions_are_swept_and_one_user_has_few(runtime: Runtime) -> None:
    """Nobody fills the store by signing in."""
    with freeze_time(START) as clock:
        for n in range(25):
            clock.tick(timedelta(seconds=1))
            with runtime.transaction() as tx:
                sessions.begin(tx, Identity("ada" if n else "bo", "clerk"))
        users = [each["user"] for each in kept(runtime)]
        assert (users.count("ada"), users.count("bo")) == (20, 1)
        clock.tick(timedelta(hours=13))
        with runtime.transaction() as tx:
            sessions.begin(tx, Identity("cy", "clerk"))
        assert len(kept(runtime)) <= 2


def test_a_session_reads_the_api_but_does_not_write_by_it(
    app: Flask, catalogue: dict[str, str]
) -> None:
    """Forms carry a token against forgery; requests to the API do not."""
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
    """The form of the door, for who is signed in already."""
    page = Page(client.get("/sign-in"))
    csrf_token = page.form("/sign-out").fields["csrf_token"]["value"]
    return {"csrf_token": csrf_token, "name": "ada", "password": PASSWORD}
