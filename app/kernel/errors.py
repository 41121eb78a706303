"""Every error that a caller of Daybook can meet; app/http/responses/problems.py gives each its
HTTP status.

    DaybookError
    ├── Malformed       the bytes are not what they claim to be        400
    ├── Invalid         a good document that breaks a rule             422
    ├── NotFound        no such thing                                  404
    ├── Conflict        legal, but not in the present state            409
    │   └── Stale       the version has moved on                       412
    ├── Unauthenticated nobody knows who is asking                     401
    ├── Forbidden       not allowed here                               403
    ├── TooMany         more often than is allowed                     429
    └── Unavailable     cannot be done now; trying again may help      503
        ├── StorageFull the disk has no room                           507
        └── Damaged     the files are not what the store wrote         503

Each message is a sentence that a person can act on. It names no absolute path, secret or stack.
"""

from collections.abc import Sequence
from typing import NamedTuple

MAX_PROBLEMS = 100
"""No error lists more, so that a body full of faults doesn't get an answer that is larger still."""


class Problem(NamedTuple):
    """One fault in a document: where (a JSON pointer, RFC 6901) and what to change."""

    pointer: str
    message: str


def pointer_step(name: str) -> str:
    """/name as it stands in a JSON pointer; cut when it is long, and half characters become ?."""
    sound = name[:100].encode("utf-8", "replace").decode()
    return "/" + sound.replace("~", "~0").replace("/", "~1")


class DaybookError(Exception):
    """The root: `str(error)` is the sentence shown to the caller, `members` more for programs."""

    def __init__(self, message: str = "", **members: object) -> None:
        super().__init__(message)
        self.members = members


class Malformed(DaybookError):
    """The input cannot be read at all: not JSON, not CSV, not UTF-8."""


class Invalid(DaybookError):
    """The input was read but breaks one or more rules, each a `Problem`."""

    def __init__(self, problems: Sequence[Problem], message: str = "") -> None:
        super().__init__(message or "; ".join(_sentence(problem) for problem in problems))
        self.problems = tuple(problems)


class NotFound(DaybookError):
    """Nothing is kept under that name."""


class Conflict(DaybookError):
    """The request is sound, but the present state does not allow it."""


class Stale(Conflict):
    """The caller worked on an older version than the one now stored."""


class Unauthenticated(DaybookError):
    """The caller has to show who they are, or what they showed is not good (any more)."""


class Forbidden(DaybookError):
    """The caller, or this installation, may not do that."""


class TooMany(DaybookError):
    """The caller asks more often than is allowed; the member `retry_after_s` says when to again."""


class Unavailable(DaybookError):
    """The service cannot do it now; `retry_after_s` says when to try again, in seconds."""

    retry_after_s = 1


class StorageFull(Unavailable):
    """The disk has no room (ENOSPC, EDQUOT); nothing was changed, and reads go on."""

    retry_after_s = 30


class Damaged(Unavailable):
    """A file is not what the store wrote; nothing is written until a person decides."""

    retry_after_s = 300


def _sentence(problem: Problem) -> str:
    return (
        f"{problem.pointer.lstrip('/')}: {problem.message}" if problem.pointer else problem.message
    )
