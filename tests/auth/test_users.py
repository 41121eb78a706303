"""Users: created by an operator, their passwords stored as argon2id hashes only."""

import json

import pytest
from argon2 import PasswordHasher
from click.testing import Result
from flask import Flask
from flask.testing import FlaskClient

from app.auth import passwords
from app.auth.keys import KEYS
from app.auth.sessions import SESSIONS, begin
from app.auth.users import USERS, check_user, parse_user_name
from app.kernel.errors import Invalid
from app.kernel.identity import Identity
from app.server.runtime import Runtime
from app.store import Document
from tests.transactions import transaction

PASSWORD = "correct horse battery"


def flask(app: Flask, *words: str, given: str = f"{PASSWORD}\n") -> Result:
    """Run `flask user …` with this standard input."""
    return app.test_cli_runner().invoke(args=["user", *words], input=given)


@pytest.fixture
def ada(app: Flask) -> str:
    """The name of a clerk."""
    assert flask(app, "create", "ada", "--role", "clerk").exit_code == 0
    return "ada"


def stored_users(runtime: Runtime) -> list[Document]:
    """The users in the store."""
    with runtime.store.read() as view:
        return view.find(USERS.name).documents


def test_a_user_is_created_listed_changed_and_removed(app: Flask, runtime: Runtime) -> None:
    """All by commands; a name is the same in upper case."""
    assert "the role clerk" in flask(app, "create", "Ada", "--role", "clerk").output
    assert "clerk" in flask(app, "list").output and "ada" in flask(app, "list").output
    [row] = json.loads(flask(app, "list", "--json").output)
    assert row.keys() == {"role", "created", "name"} and row["name"] == "ada"
    assert flask(app, "role", "ADA", "--role", "manager").exit_code == 0
    first = stored_users(runtime)[0]
    assert flask(app, "password", "ada", given="another long password\n").exit_code == 0
    [second] = stored_users(runtime)
    assert (second["role"], second["created"]) == ("manager", first["created"])
    assert not passwords.verify_password(second["hash"], PASSWORD)
    assert passwords.verify_password(second["hash"], "another long password")
    assert flask(app, "remove", "ada").exit_code == 0
    assert "no users" in flask(app, "list").output


def test_the_password_is_stored_as_an_argon2id_hash_only(
    app: Flask, runtime: Runtime, ada: str
) -> None:
    """No file of the data folder and no output has it."""
    [user] = stored_users(runtime)
    assert user["hash"].startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    runtime.close()
    files = [path for path in runtime.config.data.rglob("*") if path.is_file()]
    assert not any(PASSWORD.encode() in path.read_bytes() for path in files)
    assert {path.stat().st_mode & 0o077 for path in files} == {0}
    assert (runtime.config.data / "users.json").exists()


@pytest.mark.parametrize(
    ("words", "given", "reason"),
    [
        (("create", "ada"), "", "--role"),
        (("create", "ada", "--role", "king"), "", "king"),
        (("create", "--role", "clerk"), "", "NAME"),
        (("create", "", "--role", "clerk"), "", "name: must be"),
        (("create", "a da", "--role", "clerk"), "", "name: must be"),
        (("create", "ada\n", "--role", "clerk"), "", "must have 12 to 200 characters"),
        (("create", "zo\u00eb", "--role", "clerk"), "", "name: must be"),
        (("create", "../ada", "--role", "clerk"), "", "name: must be"),
        (("create", "a" * 61, "--role", "clerk"), "", "name: must be"),
        (("create", "local", "--role", "clerk"), "", "must not be local"),
        (("create", "Public", "--role", "clerk"), "", "must not be public"),
        (("create", "ada", "--role", "clerk"), "", "must have 12 to 200 characters"),
        (("create", "ada", "--role", "clerk"), "\n", "must have 12 to 200 characters"),
        (("create", "ada", "--role", "clerk"), "eleven char\n", "must have 12 to 200 characters"),
        (("create", "ada", "--role", "clerk"), "x" * 201 + "\n", "must have 12 to 200 characters"),
        (("create", "ada", "--role", "clerk"), " " * 14 + "\n", "different characters"),
        (("create", "ada", "--role", "clerk"), "abab" * 5 + "\n", "different characters"),
        (("create", "ada", "--role", "clerk"), "a long\x00password\n", "control characters"),
        (("create", "lovelace", "--role", "clerk"), "I am Lovelace!\n", "the user's name"),
        (("create", "ada", "--role", "clerk", "--password", PASSWORD), "", "--password"),
        (("create", "ada", PASSWORD, "--role", "clerk"), "", "unexpected extra argument"),
        (("password", "nobody"), f"{PASSWORD}\n", "no user nobody"),
        (("role", "nobody", "--role", "clerk"), "", "no user nobody"),
        (("role", "nobody"), "", "--role"),
        (("remove", "nobody"), "", "no user nobody"),
    ],
)
def test_wrong_commands_say_what_is_wrong(
    app: Flask, runtime: Runtime, words: tuple[str, ...], given: str, reason: str
) -> None:
    """They print to standard error, exit with 2 and create nothing."""
    response = flask(app, *words, given=given)
    assert response.exit_code == 2
    assert reason in response.stderr
    assert "Traceback" not in response.output
    assert stored_users(runtime) == []


def test_names_are_unique_over_users_and_keys(app: Flask, runtime: Runtime, ada: str) -> None:
    """Actions are recorded under a name, so it must mean one of them."""
    assert "already a user ada" in flask(app, "create", "ADA", "--role", "clerk").stderr
    make = app.test_cli_runner().invoke
    for name in ("ada", "Ada", "local"):
        refused = make(args=["key", "create", "--role", "clerk", "--name", name])
        assert (refused.exit_code, refused.stdout) == (2, "")
    assert make(args=["key", "create", "--role", "clerk", "--name", "Till-1"]).exit_code == 0
    assert (
        "API key with the name till-1" in flask(app, "create", "till-1", "--role", "clerk").stderr
    )
    with runtime.store.read() as view:
        assert (view.count(USERS.name), view.count(KEYS.name)) == (1, 1)


@pytest.mark.parametrize(
    "change", [("password", "ada"), ("role", "ada", "--role", "operator"), ("remove", "ada")]
)
def test_a_changed_user_is_signed_out_everywhere(
    app: Flask, runtime: Runtime, ada: str, change: tuple[str, ...]
) -> None:
    """This happens in the same transaction; other users stay signed in."""
    with transaction(runtime.store) as tx:
        for name in ("ada", "ada", "bo"):
            begin(tx, Identity(name, "clerk"))
    assert flask(app, *change).exit_code == 0
    with runtime.store.read() as view:
        assert [each["user"] for each in view.find(SESSIONS.name).documents] == ["bo"]


def test_the_first_user_makes_authentication_required(client: FlaskClient, app: Flask) -> None:
    """After the first user, local requests need credentials too."""
    assert client.get("/order").status_code == 200
    assert flask(app, "create", "ada", "--role", "clerk").exit_code == 0
    assert client.get("/order").status_code == 401
    assert flask(app, "remove", "ada").exit_code == 0
    assert client.get("/order").status_code == 200


def test_a_password_is_normalised() -> None:
    """Accents may be one character or two; upper case counts."""
    password_hash = passwords.hash_password("caf\u00e9 au lait, s'il vous")
    assert passwords.verify_password(password_hash, "cafe\u0301 au lait, s'il vous")
    assert not passwords.verify_password(password_hash, "CAF\u00c9 au lait, s'il vous")
    assert not passwords.verify_password(password_hash, "\udcff" * 20)


def test_an_unknown_name_costs_a_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time does not reveal which names exist: argon2 runs once for each attempt."""
    runs: list[str] = []
    verify = PasswordHasher.verify

    def counted(self: PasswordHasher, password_hash: str, password: str) -> bool:
        runs.append(password_hash)
        return bool(verify(self, password_hash, password))

    monkeypatch.setattr(PasswordHasher, "verify", counted)
    right = passwords.hash_password(PASSWORD)
    assert passwords.verify_password(right, PASSWORD)
    assert not passwords.verify_password(right, "another long password")
    assert not passwords.verify_password(None, PASSWORD)
    assert len(runs) == 3
    assert all(each.startswith("$argon2id$v=19$m=65536,t=3,p=4$") for each in runs)


@pytest.mark.parametrize(
    "change",
    [{"name": "A da"}, {"role": "king"}, {"role": "customer"}, {"hash": "secret"}, {"hash": None}],
)
def test_a_user_edited_by_hand_is_validated(
    app: Flask, runtime: Runtime, ada: str, change: Document
) -> None:
    """An edited user that breaks a rule is refused, with the command to use instead."""
    [user] = stored_users(runtime)
    check_user(user)
    with pytest.raises(Invalid, match="flask user create"):
        check_user(user | change)


def test_a_name_is_in_lower_case() -> None:
    """Upper case and surrounding spaces are removed."""
    assert parse_user_name(" Ada@Example.org ") == "ada@example.org"
