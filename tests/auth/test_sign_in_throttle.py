"""The sign-in throttle: limits by name and by address, for all processes together."""

from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from freezegun import freeze_time

from app import create_app
from app.auth import sign_in_throttle
from app.auth.devices import known_device, new_device
from app.config import Config
from app.http.security.quotas import COUNTS, COUNTS_EXPIRY
from app.kernel.errors import TooMany
from app.server.runtime import Runtime
from app.store.expiry import delete_expired
from tests.auth.people import PASSWORD, make_user, sign_in
from tests.transactions import transaction
from tests.web.page import Page

START = "2026-11-21T08:00:00Z"


def test_a_name_has_ten_attempts(app: Flask, client: FlaskClient) -> None:
    """Further attempts get 429, with the right password too, until fifteen minutes are over."""
    make_user(app, "ada", "clerk")
    with freeze_time(START) as clock:
        for _ in range(sign_in_throttle.MAX_ATTEMPTS_PER_NAME):
            assert sign_in(client, "ada", "wrong password").status == 401
        form = Page(client.get("/sign-in")).form("/sign-in").filled(name="ada", password=PASSWORD)
        response = client.post("/sign-in", data=form)
        assert response.status_code == 429
        assert 890 <= int(response.headers["Retry-After"]) <= 900
        assert "too many attempts" in response.text
        clock.tick(timedelta(seconds=901))
        assert "ada clerk" in sign_in(client, "ada").text


def test_nothing_is_written_beyond_the_limit(runtime: Runtime) -> None:
    """Guessing does not fill the journal."""
    for _ in range(sign_in_throttle.MAX_ATTEMPTS_PER_NAME):
        with transaction(runtime.store) as tx:
            sign_in_throttle.count_attempt(tx, "ada", "192.0.2.1")
    before = runtime.store.position()
    for _ in range(5):
        with pytest.raises(TooMany), transaction(runtime.store) as tx:
            sign_in_throttle.count_attempt(tx, "ada", "192.0.2.2")
    assert runtime.store.position() == before


def test_an_address_has_a_hundred_attempts(runtime: Runtime) -> None:
    """Another address goes on; the rest of its IPv6 network does not."""
    with transaction(runtime.store) as tx:
        for n in range(sign_in_throttle.MAX_ATTEMPTS_PER_ADDRESS):
            sign_in_throttle.count_attempt(tx, f"name-{n}", f"2001:db8::{n:x}")
    with pytest.raises(TooMany), transaction(runtime.store) as tx:
        sign_in_throttle.count_attempt(tx, "one-more", "2001:db8::ffff")
    with transaction(runtime.store) as tx:
        sign_in_throttle.count_attempt(tx, "one-more", "2001:db8:0:1::1")


def test_a_successful_sign_in_resets_the_count_of_the_name(
    app: Flask, client: FlaskClient, runtime: Runtime
) -> None:
    """The count of the address keeps the failed attempts."""
    make_user(app, "ada", "clerk")
    for _ in range(3):
        sign_in(client, "ada", "wrong password")
    sign_in(client, "ada")
    with runtime.store.read() as view:
        counts = {each["of"].split()[0]: each["count"] for each in view.find(COUNTS.name).documents}
    assert counts == {"address": 3}


def test_strangers_do_not_lock_out_a_known_device(app: Flask, client: FlaskClient) -> None:
    """A browser in which the user signed in before has ten attempts of its own."""
    make_user(app, "ada", "operator")
    make_user(app, "bo", "clerk")
    sign_in(client, "ada")
    stranger = app.test_client()
    sign_in(stranger, "bo")  # known as a device of bo, which is none of ada
    stranger.delete_cookie("daybook_session")
    for _ in range(sign_in_throttle.MAX_ATTEMPTS_PER_NAME):
        assert sign_in(stranger, "ada", "wrong password").status == 401
    assert sign_in(stranger, "ada").status == 429
    client.delete_cookie("daybook_session")
    for _ in range(2):  # a success resets the device's own count only
        for _ in range(sign_in_throttle.MAX_ATTEMPTS_PER_NAME - 1):
            assert sign_in(client, "ada", "wrong password").status == 401
        assert "ada operator" in sign_in(client, "ada").text
        client.delete_cookie("daybook_session")
        assert sign_in(stranger, "ada").status == 429
    for _ in range(sign_in_throttle.MAX_ATTEMPTS_PER_NAME):
        sign_in(client, "ada", "wrong password")
    assert sign_in(client, "ada").status == 429


@pytest.mark.parametrize(
    "cookie", ["", ".", "a.b", "aaaaaaaaaaaaaaaaaaaaaa", "\u00e9.\u00e9", "." * 99]
)
def test_a_forged_device_is_unknown(app: Flask, runtime: Runtime, cookie: str) -> None:
    """Only a cookie that this shop signed for the user's present password counts."""
    make_user(app, "ada", "clerk")
    with runtime.store.read() as view:
        user = view.get("users", "ada")
    assert user is not None
    assert known_device(user, cookie) == ""
    right = new_device(user)
    assert known_device(user, right) == right.partition(".")[0]
    assert known_device(user | {"name": "bo"}, right) == ""
    assert known_device(user | {"hash": "another"}, right) == ""
    assert known_device(None, right) == ""


def test_all_processes_count_together(app: Flask, client: FlaskClient, config: Config) -> None:
    """Two applications on one folder share the count, as two workers do."""
    make_user(app, "ada", "clerk")
    other = create_app(replace(config, threads=8))
    for n in range(sign_in_throttle.MAX_ATTEMPTS_PER_NAME):
        sign_in((client, other.test_client())[n % 2], "ada", "wrong password")
    assert [sign_in(each.test_client(), "ada").status for each in (app, other)] == [429, 429]
    other.extensions["daybook"].close()


def test_the_typed_name_is_not_recorded(
    app: Flask, client: FlaskClient, runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the store nor the log has it, because people type passwords there."""
    make_user(app, "ada", "clerk")
    sign_in(client, PASSWORD, "ada")
    assert [each.getMessage() for each in caplog.records if "sign-in" in each.getMessage()] == [
        "a sign-in from '127.0.0.1' was refused"
    ]
    assert PASSWORD not in caplog.text
    runtime.close()
    files = [path.read_bytes() for path in runtime.config.data.rglob("*") if path.is_file()]
    assert not any(PASSWORD.encode() in content for content in files)


def test_expired_windows_are_deleted(runtime: Runtime) -> None:
    """Inventing names does not fill the store."""
    with freeze_time(START) as clock:
        for n in range(30):
            with transaction(runtime.store) as tx:
                sign_in_throttle.count_attempt(tx, f"name-{n}", "192.0.2.1")
        clock.tick(timedelta(seconds=901))
        with transaction(runtime.store) as tx:
            sign_in_throttle.count_attempt(tx, "ada", "192.0.2.2")
        assert delete_expired(runtime.store, COUNTS_EXPIRY)
        with runtime.store.read() as view:
            assert view.count(COUNTS.name) == 2


def test_a_clock_that_was_ahead_locks_nobody_out(runtime: Runtime) -> None:
    """Attempts counted in 2036 neither count in 2026 nor stay in the store."""
    with freeze_time("2036-11-21T08:00:00Z"), transaction(runtime.store) as tx:
        for _ in range(sign_in_throttle.MAX_ATTEMPTS_PER_NAME):
            sign_in_throttle.count_attempt(tx, "ada", "192.0.2.1")
        sign_in_throttle.count_attempt(tx, "bo", "192.0.2.2")
    with freeze_time(START):
        with transaction(runtime.store) as tx:
            sign_in_throttle.count_attempt(tx, "ada", "192.0.2.1")
        assert delete_expired(runtime.store, COUNTS_EXPIRY)
    with runtime.store.read() as view:
        ends = [each["ends"] for each in view.find(COUNTS.name).documents]
    assert ends == ["2026-11-21T08:15:00.000Z"] * 2
