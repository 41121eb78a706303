"""What holds for every route that the contract has, whoever wrote it.

The routes are read from the contract, so a new one is tested as soon as it is there.
"""

import copy
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.config import Config
from app.openapi.document import openapi_document
from tests.http.test_refusals import everything
from tests.over_http import body, place

METHODS = ("get", "post", "put", "patch", "delete")
TYPES = "application/json", "application/merge-patch+json"


class Route(NamedTuple):
    """An operation of the contract, with an address that fits its path."""

    path: str
    method: str
    told: dict[str, Any]

    @property
    def is_signed(self) -> bool:
        """Whether its caller has to sign, so that nothing else is looked at before."""
        return any(each.get("required") for each in self.parameters("header"))

    @property
    def example(self) -> Any:
        """The first example of its body."""
        (content, *_) = self.told["requestBody"]["content"].values()
        return copy.deepcopy(next(iter(content["examples"].values()))["value"])

    def parameters(self, place: str) -> list[dict[str, Any]]:
        """Its parameters in path, query or header."""
        return [each for each in self.told.get("parameters", []) if each["in"] == place]

    def send(self, client: FlaskClient, **options: Any) -> TestResponse:
        """A request to it."""
        return client.open(self.path, method=self.method, **options)


@pytest.fixture
def config(config: Config) -> Config:
    """With fault switches: else all that their routes say is 403."""
    return replace(config, faults=True)


@pytest.fixture
def routes(app: Flask) -> list[Route]:
    """Every operation, at the example's address."""
    found = []
    for path, operations in openapi_document(app)["paths"].items():
        for method, told in operations.items():
            examples = {
                each["name"]: each["example"]
                for each in told.get("parameters", [])
                if each["in"] == "path"
            }
            found.append(Route(path.format(**examples), method, told))
    return found


@pytest.fixture(autouse=True)
def shop(client: FlaskClient, settled: Callable[[], None]) -> None:
    """The product and the order that the contract's examples speak of."""
    product = {"sku": "notebook-a5", "name": "Notebook", "price": "7.90", "quantity": 100}
    assert client.post("/product", json=product).status_code == 201
    place(client, **{"notebook-a5": 1})
    settled()


@pytest.fixture
def unchanged(app: Flask, shop: None) -> Iterator[None]:
    """Every document is as it was when the test ends."""
    before = everything(app)
    yield
    assert everything(app) == before


@pytest.mark.usefixtures("unchanged")
def test_an_unknown_query_parameter_is_refused(client: FlaskClient, routes: list[Route]) -> None:
    """400 at every address, also where there are no parameters at all."""
    for route in routes:
        sent = {"json": route.example} if "requestBody" in route.told else {}
        answer = route.send(client, query_string={"unheard_of": "1"}, **sent)
        assert answer.status_code == 400, route
        assert_problem(answer)


@pytest.mark.usefixtures("unchanged")
def test_head_is_what_get_is(client: FlaskClient, routes: list[Route]) -> None:
    """The same status, headers and length, without a body."""
    for route in routes:
        if route.method == "get":
            same = {"X-Request-Id": "1"}
            got, head = client.get(route.path, headers=same), client.head(route.path, headers=same)
            assert head.data == b""
            assert (head.status_code, set(head.headers)) == (got.status_code, set(got.headers))
            assert head.content_length == len(got.data), route


@pytest.mark.usefixtures("unchanged")
def test_other_methods_are_refused_with_allow(client: FlaskClient, routes: list[Route]) -> None:
    """405 names what there is, and so does OPTIONS; with Accept-Patch where there is PATCH."""
    for path in {route.path for route in routes}:
        there = {route.method for route in routes if route.path == path}
        options = client.options(path)
        allowed = {each.lower() for each in options.headers["Allow"].split(", ")}
        assert allowed == there | {"options"} | ({"head"} if "get" in there else set()), path
        assert ("Accept-Patch" in options.headers) == ("patch" in there)
        for method in {*METHODS, "trace", "frobnicate"} - there:
            refused = client.open(path, method=method.upper())
            assert refused.status_code == 405, (method, path)
            assert set(refused.headers["Allow"].lower().split(", ")) == allowed
            assert_problem(refused)


@pytest.mark.usefixtures("unchanged")
def test_a_trailing_slash_is_no_surprise(client: FlaskClient, routes: list[Route]) -> None:
    """The same answer as without one, and never a redirect."""
    for route in routes:
        if route.method == "get":
            without, with_slash = client.get(route.path), client.get(f"{route.path}/")
            assert with_slash.status_code == without.status_code, route
            assert with_slash.mimetype == without.mimetype
            assert without.status_code == 404 or with_slash.data == without.data, route


WRONG_BODIES: dict[str, tuple[bytes, int]] = {
    "empty": (b"", 400),
    "half": (b'{"a": ', 400),
    "twice": (b'{"a": 1, "a": 2}', 400),
    "not a number": (b'{"a": NaN}', 400),
    "mark": (b"\xef\xbb\xbf{}", 400),
    "UTF-16": ("{}".encode("utf-16"), 400),
    "deep": (b"[" * 40 + b"]" * 40, 400),
    "digits": (b'{"a": ' + b"9" * 5000 + b"}", 400),
    "list": (b"[]", 422),
    "text": (b'"a"', 422),
    "unknown field": (b'{"unheard_of": 1}', 422),
    "half a character": (b'{"\\ud800": 1}', 422),
    "large": (b" " * (1 << 20) + b"{}", 413),
}


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("fault", WRONG_BODIES)
def test_a_wrong_body_is_refused(client: FlaskClient, routes: list[Route], fault: str) -> None:
    """The same reader for every body, whatever is asked for."""
    data, status = WRONG_BODIES[fault]
    for route in with_body(routes):
        if not data and not route.told["requestBody"]["required"]:
            continue
        (media_type, *_) = route.told["requestBody"]["content"]
        answer = route.send(client, data=data, content_type=media_type)
        assert answer.status_code == status, (route.method, route.path, answer.text)
        assert_problem(answer)


@pytest.mark.usefixtures("unchanged")
def test_a_wrong_media_type_is_told_the_right_one(client: FlaskClient, routes: list[Route]) -> None:
    """415 with Accept, or Accept-Patch, and the types of the contract in it."""
    for route in with_body(routes):
        data = json.dumps(route.example)
        header = "Accept-Patch" if route.method == "patch" else "Accept"
        for wrong in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx"):
            refused = route.send(client, data=data, content_type=wrong)
            assert refused.status_code == 415, route
            assert set(refused.headers[header].split(", ")) == {
                *route.told["requestBody"]["content"]
            }
            assert_problem(refused)


@pytest.mark.usefixtures("unchanged")
def test_every_field_of_every_body_is_judged(client: FlaskClient, routes: list[Route]) -> None:
    """An object stands for no field: each is refused, and pointed at."""
    for route in with_body(routes):
        (media_type, *_) = route.told["requestBody"]["content"]
        for field in route.example:
            data = json.dumps(route.example | {field: {"unheard": "of"}})
            refused = route.send(client, data=data, content_type=media_type)
            assert refused.status_code == 422, (route.path, field, refused.text)
            pointers = [each["pointer"] for each in body(refused)["errors"]]
            assert any(each.startswith(f"/{field}") for each in pointers), (route.path, pointers)


def with_body(routes: list[Route]) -> list[Route]:
    """Those that take a body, and look at it before anything else."""
    return [each for each in routes if "requestBody" in each.told and not each.is_signed]


def assert_problem(answer: TestResponse) -> None:
    """The answer is a problem that says what it is."""
    assert answer.mimetype == "application/problem+json"
    problem = body(answer)
    assert problem["status"] == answer.status_code
    assert problem["detail"]
    assert isinstance(problem["errors"], list)


def test_whatever_creates_takes_a_key(
    client: FlaskClient, routes: list[Route], settled: Callable[[], None]
) -> None:
    """The same request again gets the same answer and changes nothing; another one is 422."""
    creating = [each for each in routes if "201" in each.told["responses"]]
    assert {"/order", "/product"} <= {each.path for each in creating}
    for route in creating:
        assert "Idempotency-Key" in {each["name"] for each in route.parameters("header")}
        wanted, key = renamed(route.example), {"Idempotency-Key": f'"{route.path}"'}
        first = route.send(client, json=wanted, headers=key)
        assert first.status_code == 201, (route.path, first.text)
        settled()
        before = everything(client.application)
        again = route.send(client, json=wanted, headers=key)
        assert (again.status_code, again.data) == (201, first.data)
        assert again.headers["Idempotency-Replayed"] == "true"
        assert route.send(client, json=renamed(wanted), headers=key).status_code == 422, route
        malformed = {"Idempotency-Key": "a b"}
        assert route.send(client, json=wanted, headers=malformed).status_code == 400, route
        assert everything(client.application) == before


def renamed(document: dict[str, Any]) -> dict[str, Any]:
    """The same with other names in it, as far as it has a name of its own."""
    names = [name for name in document if re.fullmatch("sku|name|customer_name", name)]
    return document | {name: f"{document[name]}-other" for name in names}
