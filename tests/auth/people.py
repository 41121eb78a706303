"""Users for tests, and how they sign in."""

from functools import cache

from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient

from app.auth.users import create_user
from app.server.runtime import Runtime
from tests.transactions import transaction
from tests.web.page import Page, send

PASSWORD = "correct horse battery"


def make_user(app: Flask, name: str, role: str) -> None:
    """A user with PASSWORD."""
    runtime: Runtime = app.extensions["daybook"]
    with transaction(runtime.store) as tx:
        create_user(tx, name, role, _hash())


def sign_in(
    client: FlaskClient, name: str, password: str = PASSWORD, path: str = "/sign-in"
) -> Page:
    """Fill the sign-in form; returns the page that follows."""
    return send(client, Page(client.get(path)), "/sign-in", name=name, password=password)


def signed_in(app: Flask, name: str, role: str) -> FlaskClient:
    """A browser in which a new user with that role has signed in."""
    make_user(app, name, role)
    client = app.test_client()
    assert f"{name} {role}" in sign_in(client, name).text
    return client


@cache
def _hash() -> str:
    """The hash of PASSWORD with the lowest costs, which each sign-in then has, too."""
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
