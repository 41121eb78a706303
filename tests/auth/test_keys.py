"""API keys: shown once, kept as a hash, good until they are revoked."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.auth.keys import KEYS, create_key, identity_of, revoke_key
from app.http.security.identity import Identity
from app.kernel.errors import NotFound
from app.server.runtime import Runtime


@pytest.fixture
def key(runtime: Runtime) -> str:
    """The key of a till."""
    with runtime.store.transaction() as tx:
        return create_key(tx, "till-1", "clerk")


def test_a_key_tells_who_sends_it(runtime: Runtime, key: str) -> None:
    """The name and the role that it was made with."""
    with runtime.store.read() as view:
        assert identity_of(view, key) == Identity("till-1", "clerk")


def test_the_secret_is_not_kept(runtime: Runtime, key: str) -> None:
    """Whoever reads the data folder cannot use what stands there."""
    runtime.close()
    kept = b"".join(path.read_bytes() for path in runtime.config.data.rglob("*") if path.is_file())
    assert key.rpartition("_")[2].encode() not in kept
    assert b"till-1" in kept


@pytest.mark.parametrize("position", range(8, 60, 3))
def test_a_key_that_differs_in_one_character_is_none(
    runtime: Runtime, key: str, position: int
) -> None:
    """Neither its prefix nor its secret may be guessed at."""
    other = "0" if key[position] != "0" else "1"
    forged = key[:position] + other + key[position + 1 :]
    with runtime.store.read() as view:
        assert identity_of(view, forged) is None


@pytest.mark.parametrize("given", ["", "daybook_", "x" * 5000, "daybook_00000000_" + "A" * 43])
def test_what_is_no_key_is_nobody(runtime: Runtime, key: str, given: str) -> None:
    """Whatever its shape."""
    with runtime.store.read() as view:
        assert identity_of(view, given) is None


def test_a_revoked_key_is_refused_at_once(runtime: Runtime, key: str) -> None:
    """It is gone, and revoking it again says so."""
    prefix = key.split("_")[1]
    with runtime.store.transaction() as tx:
        revoke_key(tx, prefix)
        with pytest.raises(NotFound):
            revoke_key(tx, prefix)
    with runtime.store.read() as view:
        assert identity_of(view, key) is None


def test_commands_make_list_and_revoke(app: Flask, client: FlaskClient, runtime: Runtime) -> None:
    """The key is the only line on standard output, so a script can take it."""
    flask = app.test_cli_runner()
    made = flask.invoke(args=["key", "create", "--role", "manager", "--name", "office"])
    key = made.stdout.strip()
    assert client.get("/order", headers={"Authorization": f"Bearer {key}"}).status_code == 200
    assert client.get("/order").status_code == 401
    listed = flask.invoke(args=["key", "list"]).stdout
    assert "manager" in listed and "office" in listed and key not in listed
    flask.invoke(args=["key", "revoke", key.split("_")[1]])
    assert "no keys" in flask.invoke(args=["key", "list"]).stdout


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("create", "--role", "king", "--name", "x"), "king"),
        (("create", "--role", "clerk"), "--name"),
        (("create", "--role", "clerk", "--name", "a\nb"), "name"),
        (("create", "--role", "clerk", "--name", ""), "name"),
        (("revoke", "nokey"), "no key nokey"),
    ],
)
def test_wrong_commands_say_what_is_wrong(
    app: Flask, runtime: Runtime, words: tuple[str, ...], reason: str
) -> None:
    """And make nothing."""
    answer = app.test_cli_runner().invoke(args=["key", *words])
    assert answer.exit_code == 2
    assert reason in answer.output
    with runtime.store.read() as view:
        assert view.count(KEYS.name) == 0
