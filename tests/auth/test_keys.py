"""API keys: shown once, stored as a hash, valid until revoked."""

import json

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.auth.keys import KEYS, create_key, identity_of, revoke_key
from app.kernel.errors import NotFound
from app.kernel.identity import Identity
from app.server.runtime import Runtime
from tests.transactions import transaction


@pytest.fixture
def key(runtime: Runtime) -> str:
    """The key of a till."""
    with transaction(runtime.store) as tx:
        return create_key(tx, "till-1", "clerk")


def test_a_key_has_an_identity(runtime: Runtime, key: str) -> None:
    """It has the name and the role with which it was created."""
    with runtime.store.read() as view:
        assert identity_of(view, key) == Identity("till-1", "clerk")


def test_the_secret_is_not_stored(runtime: Runtime, key: str) -> None:
    """No file of the data folder has it."""
    runtime.close()
    kept = b"".join(path.read_bytes() for path in runtime.config.data.rglob("*") if path.is_file())
    _, _, secret = key.split("_", 2)  # which may have one of its own
    assert secret.encode() not in kept
    assert b"till-1" in kept


@pytest.mark.parametrize("position", range(8, 60, 3))
def test_a_key_that_differs_in_one_character_is_invalid(
    runtime: Runtime, key: str, position: int
) -> None:
    """This holds for its prefix and for its secret."""
    other = "0" if key[position] != "0" else "1"
    forged = key[:position] + other + key[position + 1 :]
    with runtime.store.read() as view:
        assert identity_of(view, forged) is None


@pytest.mark.parametrize("given", ["", "daybook_", "x" * 5000, "daybook_00000000_" + "A" * 43])
def test_a_text_that_is_no_key_has_no_identity(runtime: Runtime, key: str, given: str) -> None:
    """This holds for any shape of text."""
    with runtime.store.read() as view:
        assert identity_of(view, given) is None


def test_a_revoked_key_is_refused_at_once(runtime: Runtime, key: str) -> None:
    """A second revocation raises NotFound."""
    prefix = key.split("_")[1]
    with transaction(runtime.store) as tx:
        revoke_key(tx, prefix)
        with pytest.raises(NotFound):
            revoke_key(tx, prefix)
    with runtime.store.read() as view:
        assert identity_of(view, key) is None


def test_commands_create_list_and_revoke(app: Flask, client: FlaskClient, runtime: Runtime) -> None:
    """The key is the only line on standard output, so that a script can read it."""
    flask = app.test_cli_runner()
    made = flask.invoke(args=["key", "create", "--role", "manager", "--name", "office"])
    key = made.stdout.strip()
    assert client.get("/order", headers={"Authorization": f"Bearer {key}"}).status_code == 200
    assert client.get("/order").status_code == 401
    listed = flask.invoke(args=["key", "list"]).stdout
    assert "manager" in listed and "office" in listed and key not in listed
    [row] = json.loads(flask.invoke(args=["key", "list", "--json"]).stdout)
    assert row.keys() == {"prefix", "role", "created", "name"} and row["name"] == "office"
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
    """They create nothing."""
    response = app.test_cli_runner().invoke(args=["key", *words])
    assert response.exit_code == 2
    assert reason in response.output
    with runtime.store.read() as view:
        assert view.count(KEYS.name) == 0
