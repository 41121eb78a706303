"""Errors as problem details, and the one table from error to status."""

import pytest
from flask import Flask
from werkzeug.exceptions import ImATeapot

from app.events.faults import FaultInjected
from app.http.responses import problems
from app.kernel import errors

SECRET = "/home/shop/secret"


def raising(error: Exception) -> Flask:
    """An application whose one route meets `error`."""
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
    """A problem in the right media type; with Retry-After where trying again may help."""
    answer = raising(error).test_client().get("/")
    problem = answer.get_json()
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
    assert (problem["status"], problem["type"]) == (status, "about:blank")
    assert answer.headers.get("Retry-After") == retry_after
    if isinstance(error, errors.DaybookError):
        assert problem["detail"] == str(error)


def test_members_of_an_error_stand_in_the_problem() -> None:
    """For programs: what the sentence tells people."""
    error = errors.Conflict("The shelf is short.", short=[{"product": "mug"}])
    problem = raising(error).test_client().get("/").get_json()
    assert (problem["short"], problem["errors"]) == ([{"product": "mug"}], [])


def test_every_error_of_ours_is_in_the_table() -> None:
    """By itself, so that a new one gets its status on purpose."""
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type)}
    ours = {kind for kind in kinds if issubclass(kind, errors.DaybookError)}
    assert ours == problems.STATUS.keys()


def test_a_defect_is_told_by_a_number_that_the_log_has(caplog: pytest.LogCaptureFixture) -> None:
    """500 without a word of what went wrong; the log has the error with its stack."""
    answer = raising(RuntimeError(SECRET)).test_client().get("/")
    problem = answer.get_json()
    assert answer.status_code == 500
    assert SECRET not in answer.text
    (record,) = caplog.records
    assert problem["trace_id"] in record.getMessage()
    assert record.exc_info and SECRET in str(record.exc_info[1])
