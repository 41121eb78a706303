"""Error responses as problem details, and the table from error class to status."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.exceptions import ImATeapot

from app.events.faults import FaultInjected
from app.http.responses import problems
from app.kernel import errors
from tests.over_http import body

SECRET = "/home/shop/secret"


def raising(error: Exception) -> Flask:
    """An application whose one route raises `error`."""
    app = Flask(__name__)
    problems.install(app)

    @app.get("/")
    def meet() -> str:
        raise error

    return app


@pytest.mark.parametrize(
    ("error", "status", "retry_after"),
    [
        (errors.Malformed("Send JSON."), 400, None),
        (errors.Forbidden("Not here."), 403, None),
        (errors.NotFound("No such order."), 404, None),
        (errors.Conflict("Too late."), 409, None),
        (errors.Conflict("Not yet.", retry_after_s=2), 409, "2"),
        (errors.Stale("Read it again."), 412, None),
        (errors.Invalid([errors.Problem("/a/b", "is wrong")]), 422, None),
        (errors.Unavailable("Later."), 503, "1"),
        (errors.StorageFull("No room."), 507, "30"),
        (errors.Damaged("A file is damaged."), 503, "300"),
        (FaultInjected("A fault switch is on."), 500, None),
        (ImATeapot(), 418, None),
    ],
)
def test_each_kind_of_error_has_its_status(
    error: Exception, status: int, retry_after: str | None
) -> None:
    """It is a problem in its media type, with Retry-After where a retry may help."""
    response = raising(error).test_client().get("/")
    problem = response.get_json()
    assert (response.status_code, response.mimetype) == (status, "application/problem+json")
    assert (problem["status"], problem["type"]) == (status, "about:blank")
    assert response.headers.get("Retry-After") == retry_after
    if isinstance(error, errors.DaybookError):
        assert problem["detail"] == str(error)


def test_members_of_an_error_are_in_the_problem() -> None:
    """Programs read them instead of the sentence."""
    error = errors.Conflict("The shelf is short.", short=[{"product": "mug"}])
    problem = raising(error).test_client().get("/").get_json()
    assert (problem["short"], problem["errors"]) == ([{"product": "mug"}], [])


def test_every_daybook_error_is_in_the_table() -> None:
    """A new class has its own entry and does not inherit a status by accident."""
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type)}
    ours = {kind for kind in kinds if issubclass(kind, errors.DaybookError)}
    assert ours == problems.STATUS.keys()


def test_a_defect_is_reported_by_a_trace_id_that_the_log_has(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """500 reveals nothing of the error; the log has it with its stack."""
    response = raising(RuntimeError(SECRET)).test_client().get("/")
    problem = response.get_json()
    assert response.status_code == 500
    assert SECRET not in response.text
    (record,) = caplog.records
    assert problem["trace_id"] in record.getMessage()
    assert record.exc_info and SECRET in str(record.exc_info[1])


def test_the_404_of_an_unknown_address_names_addresses_that_exist(client: FlaskClient) -> None:
    """A path in its sentence answers with 200."""
    detail = body(client.get("/ordrs"))["detail"]
    named = re.findall(r"/[\w./]*\w", detail)
    assert "/openapi.json" in named
    assert {path: client.get(path).status_code for path in named} == dict.fromkeys(named, 200)
