"""Promises that hold for every route of the contract.

The routes are read from the contract, so a new one is tested without a change here.
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
    """An operation of the contract, with the path of its example."""

    path: str
    method: str
    told: dict[str, Any]

    @property
    def is_signed(self) -> bool:
        """Whether the caller has to sign the request, which is verified before anything else."""
        return any(each.get("required") for each in self.parameters("header"))

    @property
    def example(self) -> Any:
        """The first example of the body."""
        (content, *_) = self.told["requestBody"]["content"].values()
        return copy.deepcopy(next(iter(content["examples"].values()))["value"])

    def parameters(self, place: str) -> list[dict[str, Any]]:
        """The parameters in path, query or header."""
        return [each for each in self.told.get("parameters", []) if each["in"] == place]

    def send(self, client: FlaskClient, **options: Any) -> TestResponse:
        """Send a request to the operation."""
        return client.open(self.path, method=self.method.upper(), **options)


@pytest.fixture
def config(config: Config) -> Config:
    """With fault switches: otherwise their routes only respond with 403."""
    return replace(config, faults=True)


@pytest.fixture
def routes(app: Flask) -> list[Route]:
    """Every operation, at the path of its example."""
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
    """The product and the order that the contract's examples name."""
    product = {"sku": "notebook-a5", "name": "Notebook", "price": "7.90", "quantity": 100}
    assert client.post("/product", json=product).status_code == 201
    place(client, **{"notebook-a5": 1})
    settled()


@pytest.fixture
def unchanged(app: Flask, shop: None) -> Iterator[None]:
    """Fails when any stored document differs at the end of the test."""
    before = everything(app)
    yield
    assert everything(app) == before


@pytest.mark.usefixtures("unchanged")
def test_an_unknown_query_parameter_is_refused(client: FlaskClient, routes: list[Route]) -> None:
    """400 at every path, also where no parameter exists."""
    for route in routes:
        sent = {"json": route.example} if "requestBody" in route.told else {}
        response = route.send(client, query_string={"unheard_of": "1"}, **sent)
        assert response.status_code == 400, route
        assert_problem(response)


@pytest.mark.usefixtures("unchanged")
def test_head_is_get_without_a_body(client: FlaskClient, routes: list[Route]) -> None:
    """HEAD has the status, headers and length of GET."""
    for route in routes:
        if route.method == "get":
            same = {"X-Request-Id": "1"}
            got, head = client.get(route.path, headers=same), client.head(route.path, headers=same)
            assert head.data == b""
            assert (head.status_code, set(head.headers)) == (got.status_code, set(got.headers))
            assert head.content_length == len(got.data), route


@pytest.mark.usefixtures("unchanged")
def test_other_methods_are_refused_with_allow(client: FlaskClient, routes: list[Route]) -> None:
    """405 and OPTIONS have Allow; OPTIONS has Accept-Patch where PATCH is allowed."""
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
def test_a_trailing_slash_makes_no_difference(client: FlaskClient, routes: list[Route]) -> None:
    """The same response as without one, and never a redirect."""
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
    """Every route reads its body with the same strict parser."""
    data, status = WRONG_BODIES[fault]
    for route in with_body(routes):
        if not data and not route.told["requestBody"]["required"]:
            continue
        (media_type, *_) = route.told["requestBody"]["content"]
        response = route.send(client, data=data, content_type=media_type)
        assert response.status_code == status, (route.method, route.path, response.text)
        assert_problem(response)


@pytest.mark.usefixtures("unchanged")
def test_a_wrong_media_type_is_refused_with_the_accepted_ones(
    client: FlaskClient, routes: list[Route]
) -> None:
    """415 lists them in Accept or Accept-Patch; the contract's is one of them."""
    for route in with_body(routes):
        data = json.dumps(route.example)
        header = "Accept-Patch" if route.method == "patch" else "Accept"
        for wrong in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx"):
            refused = route.send(client, data=data, content_type=wrong)
            assert refused.status_code == 415, route
            accepted = set(refused.headers[header].split(", "))
            assert accepted == (set(TYPES) if header == "Accept-Patch" else {TYPES[0]})
            assert accepted >= route.told["requestBody"]["content"].keys()
            assert_problem(refused)


@pytest.mark.usefixtures("unchanged")
def test_every_field_of_every_body_is_validated(client: FlaskClient, routes: list[Route]) -> None:
    """An object is no valid value of any field: 422 points at each field."""
    for route in with_body(routes):
        (media_type, *_) = route.told["requestBody"]["content"]
        for field in route.example:
            data = json.dumps(route.example | {field: {"unheard": "of"}})
            refused = route.send(client, data=data, content_type=media_type)
            assert refused.status_code == 422, (route.path, field, refused.text)
            pointers = [each["pointer"] for each in body(refused)["errors"]]
            assert any(each.startswith(f"/{field}") for each in pointers), (route.path, pointers)


def with_body(routes: list[Route]) -> list[Route]:
    """The operations that validate a body before anything else."""
    return [each for each in routes if "requestBody" in each.told and not each.is_signed]


def assert_problem(response: TestResponse) -> None:
    """Fail unless the response is a well-formed problem with this status."""
    assert response.mimetype == "application/problem+json"
    problem = body(response)
    assert problem["status"] == response.status_code
    assert problem["detail"]
    assert isinstance(problem["errors"], list)


def test_every_creating_post_accepts_an_idempotency_key(
    client: FlaskClient, routes: list[Route], settled: Callable[[], None]
) -> None:
    """The same request again gets the same response and changes nothing; another body is 422.

    But for a secret, which is shown once.
    """
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
        shown = {name: value for name, value in body(first).items() if name != "secret"}
        assert (again.status_code, body(again)) == (201, shown)
        assert again.headers["Idempotency-Replayed"] == "true"
        assert route.send(client, json=renamed(wanted), headers=key).status_code == 422, route
        malformed = {"Idempotency-Key": "a b"}
        assert route.send(client, json=wanted, headers=malformed).status_code == 400, route
        assert everything(client.application) == before


def renamed(document: dict[str, Any]) -> dict[str, Any]:
    """The same example with another name, where it has a name of its own."""
    names = [name for name in document if re.fullmatch("sku|name|customer_name|description", name)]
    return document | {name: f"{document[name]}-other" for name in names}
