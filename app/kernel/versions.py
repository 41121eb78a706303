"""Optimistic concurrency control: a change may name the document versions that it expects.

Every change of a document makes a new `version`. Its details, such as a name or a price, are what a
person edits; reserved stock, payments and statuses are what the shop counts by itself. An edit of
the details is stale only when somebody else has edited them meanwhile (docs/decisions/0157).
"""

from collections.abc import Mapping
from typing import Any, Protocol

from app.kernel.errors import Invalid, Problem, Stale


class ExpectedVersions(Protocol):
    """The versions of a document at which a change is to be made."""

    def accept(self, oldest: int, present: int) -> bool:
        """Whether to change a document that is at version `present`.

        Its versions since `oldest` count as the present one.
        """


Versions = ExpectedVersions | None
"""The versions that a change expects; None accepts any."""


def details_version(document: Mapping[str, Any]) -> int:
    """The version in which somebody last changed the document's details.

    A document that has not changed since has no `details_version`: it is its present version.
    """
    version: int = document.get("details_version", document["version"])
    return version


def check_details_version(document: Mapping[str, Any]) -> None:
    """Raise Invalid when the details of a stored document are newer than the document."""
    if details_version(document) > document["version"]:
        raise Invalid([Problem("/details_version", "is above version")])


def refuse_stale(
    what: str, document: Mapping[str, Any], expected: Versions, *, oldest: int | None = None
) -> None:
    """Raise Stale unless the document is at one of the `expected` versions; None accepts any.

    Versions since `oldest` (default: the present one) count as the present one. `what` names the
    document at the beginning of the error's sentence.
    """
    present = document["version"]
    if expected is not None and not expected.accept(oldest or present, present):
        raise Stale(f"{what} is at version {present} now; read it again.", version=present)
