"""The sign-in page: redirects to it and back, and what each role sees."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.auth.keys import create_key
from app.auth.sessions import SESSIONS
from app.config import Config
from app.server.runtime import Runtime
from app.web.routes import STAFF_PAGES
from tests.auth.people import PASSWORD, make_user, sign_in, signed_in
from tests.over_http import place, read
from tests.transactions import transaction
from tests.web.page import Page, send


@pytest.fixture
def config(config: Config) -> Config:
    """With fault injection, to make a handler fail."""
    return replace(config, faults=True)


BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.parametrize(
    ("asked", "goal"),
    [
        ("/desk", "/desk"),
        ("/desk?find=Ada&status=placed", "/desk?find=Ada&status=placed"),
        ("/stock/n%3Cb%3E%22?x=%2F", "/stock/n%3Cb%3E%22?x=%2F"),
        ("/events", "/events"),
    ],
)
def test_a_browser_is_redirected_to_sign_in_and_back(
    app: Flask, client: FlaskClient, catalogue: dict[str, str], asked: str, goal: str
) -> None:
    """After signing in, the browser is on the page that it requested."""
    make_user(app, "ada", "operator")
    sent = client.get(asked, headers=BROWSER)
    assert sent.status_code == 303
    assert sent.location.startswith("/sign-in?next=")
    form = Page(client.get(sent.location)).form("")
    answer = client.post(form.action, data=form.filled(name="ada", password=PASSWORD))
    assert (answer.status_code, answer.location) == (303, goal)


def test_programs_and_scripts_are_not_redirected(app: Flask, client: FlaskClient) -> None:
    """They get 401: a page's script would take the sign-in page for its own page."""
    make_user(app, "ada", "clerk")
    assert client.get("/desk", headers={"Accept": "*/*"}).status_code == 401
    shown = BROWSER | {"Authorization": "Bearer x"}
    assert client.get("/desk", headers=shown).status_code == 401
    assert client.get("/order", headers=BROWSER).status_code == 401


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("/stock", "manager"),
        ("/stock/tea", "manager"),
        ("/overview", "manager"),
        ("/events", "operator"),
        ("/failure", "operator"),
        ("/metrics", "metrics"),
        ("/live?on=failures", "operator"),
    ],
)
def test_a_missing_role_is_named(
    app: Flask, catalogue: dict[str, str], path: str, role: str
) -> None:
    """403 on pages, in the API and of the event stream, with the role, and who is signed in."""
    client = signed_in(app, "cleo", "clerk")
    answer = client.get(path, headers=BROWSER)
    assert answer.status_code == 403
    sentence = f"You need the {role} role for this; you are signed in as cleo (clerk)."
    assert sentence in (answer.get_json() or {}).get("detail", Page(answer).text)


@pytest.mark.parametrize("role", ["clerk", "manager"])
def test_no_link_leads_to_a_missing_role(
    app: Flask, catalogue: dict[str, str], settled: Callable[[], None], role: str
) -> None:
    """Pages link only to those that their reader may see, also when something has failed."""
    local = app.test_client()
    local.put("/fault/billing", json={"mode": "reject"})
    place(local, tea=1)
    settled()
    client = signed_in(app, "cleo", role)
    pages = [Page(client.get(path)) for path in ("/desk", "/desk/1001", "/shipping", "/overview")]
    links = {link for page in pages for link in page.links if link.startswith("/")}
    refused = {link for link in links if client.get(link).status_code == 403}
    assert refused == set()


def test_a_form_of_an_ended_session_changes_nothing(
    app: Flask, catalogue: dict[str, str], runtime: Runtime
) -> None:
    """The browser is redirected to sign in."""
    client = signed_in(app, "ada", "clerk")
    with transaction(runtime.store) as tx:
        key = create_key(tx, "till-1", "clerk")
    order = place_with(client, key)
    page = Page(client.get("/desk/1001"))
    send(client, Page(client.get("/desk")), "/sign-out")
    form = page.form("/cancel")
    answer = client.post(form.action, data=form.filled(), headers=BROWSER)
    assert (answer.status_code, answer.location) == (303, "/sign-in?next=/desk")
    headers = {"Authorization": f"Bearer {key}"}
    now = client.get(f"/order/{order}", headers=headers).get_json()
    assert now["status"] != "cancelled"


def test_a_form_of_an_expired_session_is_kept(
    app: Flask, catalogue: dict[str, str], runtime: Runtime, settled: Callable[[], None]
) -> None:
    """401 with all that was typed, which is sent again once its writer has signed in."""
    local = app.test_client()
    place(local, tea=1)
    settled()
    client = signed_in(app, "ada", "clerk")
    page = Page(client.get("/desk/1001/edit"))
    end_sessions(runtime)
    typed = page.form("/desk/1001").filled(customer_name="Zo\u00eb <b>", **{"quantity.1": "3"})
    for _ in range(2):  # also when it is sent too early
        answer = client.post("/desk/1001", data=typed, headers=BROWSER)
        kept = Page(answer)
        assert answer.status_code == 401
        assert "customer name Zo\u00eb <b>" in kept.text
        typed = kept.form("/desk/1001").filled()
    sign_in(client, "ada")
    assert client.post("/desk/1001", data=typed, headers=BROWSER).status_code == 303
    text = Page(client.get("/desk/1001")).text
    assert "Zo\u00eb <b>" in text
    assert "Total 13.50 EUR" in text


def test_a_foreign_form_is_not_kept(
    app: Flask, catalogue: dict[str, str], runtime: Runtime
) -> None:
    """Without a page of the session there is the sign-in page; a kept form fits its path only."""
    place(app.test_client(), tea=1)
    client = signed_in(app, "ada", "clerk")
    page = Page(client.get("/desk/1001"))
    end_sessions(runtime)
    for token in ("", "a" * 22):
        data = {"csrf_token": token, "reason": "x"}
        answer = client.post("/desk/1001/cancel", data=data, headers=BROWSER)
        assert (answer.status_code, answer.location) == (303, "/sign-in?next=/desk")
    typed = page.form("/cancel").filled(reason="x")
    kept = Page(client.post("/desk/1001/cancel", data=typed, headers=BROWSER)).form("/cancel")
    sign_in(client, "ada")
    assert client.post("/desk/1001/delete", data=kept.filled(version="1")).status_code == 403
    stranger = signed_in(app, "eve", "clerk")
    assert stranger.post("/desk/1001/cancel", data=kept.filled()).status_code == 403


def end_sessions(runtime: Runtime) -> None:
    """End all sessions, as time does; the browsers keep their cookies."""
    with transaction(runtime.store) as tx:
        for session in tx.find(SESSIONS.name).documents:
            tx.delete(SESSIONS.name, session["session"])


def place_with(client: FlaskClient, key: str) -> str:
    """Place an order with an API key; return its id."""
    lines = [{"product": "tea", "quantity": 1}]
    answer = client.post(
        "/order",
        json={"customer_name": "Ada", "items": lines},
        headers={"Authorization": f"Bearer {key}"},
    )
    assert answer.status_code == 201
    return str(answer.get_json()["order_id"])


@pytest.mark.parametrize(
    "next_",
    [
        "https://evil.example/", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil",
        "http:evil.example", "javascript:alert(1)", "data:text/html,x", "/%09/evil.example",
        "/\t/evil.example", " /desk", "/desk\r\nSet-Cookie: a=b", "/desk%0d%0aX: y", "//evil@/desk",
        "/nowhere", "/sign-out", "/sign-in", "/static/style.css", "/live", "/order", "/docs", "",
        "desk", "/desk/../../evil", "/\u0000desk", "/d\u00e9sk", "/" + "a" * 3000,
    ],
)  # fmt: skip
def test_next_leads_to_our_own_pages_only(app: Flask, client: FlaskClient, next_: str) -> None:
    """Any other `next` (open redirect) leads to /desk."""
    make_user(app, "ada", "clerk")
    form = Page(client.get("/sign-in")).form("/sign-in")
    data = form.filled(name="ada", password=PASSWORD)
    answer = client.post("/sign-in", query_string={"next": next_}, data=data)
    assert answer.status_code == 303
    assert answer.location == "/desk"


@pytest.mark.parametrize(
    ("role", "pages"),
    [
        ("clerk", ["Desk", "Shipping", "Mail", "Flow"]),
        ("manager", ["Desk", "Stock", "Shipping", "Mail", "Webhooks", "Flow", "Overview"]),
        ("operator", list(STAFF_PAGES)),
    ],
)
def test_the_navigation_shows_the_pages_of_the_role(
    app: Flask, role: str, pages: list[str]
) -> None:
    """Each page in it opens; the others answer 403 and name the role."""
    client = signed_in(app, "ada", role)
    links = Page(client.get("/desk")).links
    shown = {
        name: app.url_map._rules_by_endpoint[each][0].rule for name, each in STAFF_PAGES.items()
    }
    assert [name for name, path in shown.items() if path in links] == pages
    for name, path in shown.items():
        answer = client.get(path, headers=BROWSER)
        assert answer.status_code == (200 if name in pages else 403)
        if name not in pages:
            assert f"you are signed in as ada ({role})" in Page(answer).text
            assert "/desk" in Page(answer).links


def test_unknown_names_are_not_revealed(app: Flask, client: FlaskClient) -> None:
    """A wrong name and a wrong password get the same page."""
    make_user(app, "ada", "clerk")
    wrong = [sign_in(client, name, "wrong password") for name in ("ada", "eve", "", "a" * 60)]
    assert {page.status for page in wrong} == {401}
    assert len({page.by_id["main"].replace("ada", "") for page in wrong}) == 1


def test_passwords_need_https_or_this_machine(app: Flask, client: FlaskClient) -> None:
    """403 over plain HTTP from another machine, and through an undeclared proxy."""
    make_user(app, "ada", "clerk")
    data = Page(client.get("/sign-in")).form("/sign-in").filled(name="ada", password=PASSWORD)
    elsewhere = {"REMOTE_ADDR": "192.0.2.7"}
    refused = client.post("/sign-in", data=data, environ_overrides=elsewhere)
    assert refused.status_code == 403 and "DAYBOOK_URL" in refused.text
    proxied = client.post("/sign-in", data=data, headers={"X-Forwarded-For": "192.0.2.7"})
    assert proxied.status_code == 403
    assert client.get_cookie("daybook_session") is None


def test_a_shop_without_users_names_the_command(client: FlaskClient) -> None:
    """It shows no form."""
    page = Page(client.get("/sign-in"))
    assert "flask user create" in page.text
    assert "password" not in page.fields


def test_the_form_has_labels_and_autocomplete_hints(app: Flask, client: FlaskClient) -> None:
    """Screen readers and password managers need them; a refused password is not repeated."""
    make_user(app, "ada", "clerk")
    page = Page(client.get("/sign-in"))
    assert page.fields["name"]["autocomplete"] == "username"
    assert page.fields["password"]["autocomplete"] == "current-password"
    assert page.fields["password"]["type"] == "password"
    assert {"name", "password"} <= page.labels
    again = sign_in(client, "ada<b>", PASSWORD + "!")
    assert again.fields["name"]["value"] == "ada<b>" and not again.fields["password"].get("value")


def test_the_shop_shows_a_signed_in_user(app: Flask, catalogue: dict[str, str]) -> None:
    """A customer sees neither a name nor `Sign out`."""
    client = signed_in(app, "ada", "clerk")
    assert "ada clerk" in Page(client.get("/")).text
    assert "Sign out" not in Page(app.test_client().get("/")).text


def test_a_shop_without_keys_and_users_needs_no_sign_in(
    client: FlaskClient, catalogue: dict[str, str]
) -> None:
    """Local requests may open every page."""
    place(client, tea=1)
    assert client.get("/desk", headers=BROWSER).status_code == 200
    assert "Sign out" not in client.get("/desk").text
    assert read(client, "/order")["orders"]
