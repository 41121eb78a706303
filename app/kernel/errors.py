"""The errors that Daybook raises for its callers.

app/http/responses/problems.py maps each to its HTTP status.

    DaybookError
    ├── Malformed       the input cannot be parsed                     400
    ├── Invalid         the document breaks a rule                     422
    ├── NotFound        nothing has that name                          404
    ├── Conflict        not possible in the present state              409
    │   └── Stale       the document is at another version             412
    ├── Unauthenticated the caller is not identified                   401
    ├── Forbidden       the caller lacks the right                     403
    ├── TooMany         the rate limit is exceeded                     429
    └── Unavailable     not possible now; a retry may succeed          503
        ├── StorageFull the disk is full                               507
        └── Damaged     a file is not as the store wrote it            503

Each message is a sentence that a person can act on. It names no absolute path, secret or stack.
"""

from collections.abc import Sequence
from typing import NamedTuple

MAX_PROBLEMS = 100
"""The most problems in one error, so that a body full of faults does not get a larger response."""


class Problem(NamedTuple):
    """One fault in a document: its place (a JSON pointer, RFC 6901) and what to change."""

    pointer: str
    message: str


def pointer_step(name: str) -> str:
    """One step of a JSON pointer, cut to 100 characters; lone surrogates become `?`."""
    sound = name[:100].encode("utf-8", "replace").decode()
    return "/" + sound.replace("~", "~0").replace("/", "~1")


class DaybookError(Exception):
    """The base class: `str(error)` is the sentence shown to the caller, `members` has further JSON
    members of the response.
    """

    def __init__(self, message: str = "", **members: object) -> None:
        super().__init__(message)
        self.members = members


class Malformed(DaybookError):
    """The input cannot be parsed: not JSON, not CSV, not UTF-8."""


class Invalid(DaybookError):
    """The input was parsed but breaks one or more rules, each a `Problem`."""

    def __init__(self, problems: Sequence[Problem], message: str = "") -> None:
        super().__init__(message or "; ".join(_sentence(problem) for problem in problems))
        self.problems = tuple(problems)


class NotFound(DaybookError):
    """No document has that name."""


class Conflict(DaybookError):
    """The request is valid, but not possible in the present state."""


class Stale(Conflict):
    """The caller expected another version than the stored one."""


class Unauthenticated(DaybookError):
    """The caller gave no credentials, or they are invalid or expired."""


class Forbidden(DaybookError):
    """The caller lacks the right, or this installation does not allow it."""


class TooMany(DaybookError):
    """The caller exceeds the rate limit; the member `retry_after_s` has the seconds to wait."""


class Unavailable(DaybookError):
    """The service cannot do it now; `retry_after_s` has the seconds to wait before a retry."""

    retry_after_s = 1


class StorageFull(Unavailable):
    """The disk is full (ENOSPC, EDQUOT); nothing was changed, and reads still work."""

    retry_after_s = 30


class Damaged(Unavailable):
    """A file is not as the store wrote it; nothing is written until a person has decided."""

    retry_after_s = 300


def _sentence(problem: Problem) -> str:
    place = problem.pointer.lstrip("/")
    return f"{place}: {problem.message}" if place else problem.message
