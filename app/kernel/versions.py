"""Optimistic concurrency control: a change may name the document versions that it expects."""

from collections.abc import Container, Mapping
from typing import Any

from app.kernel.errors import Stale

Versions = Container[str] | None
"""The versions that a change expects, as text; None accepts any."""


def refuse_stale(what: str, document: Mapping[str, Any], expected: Versions) -> None:
    """Raise Stale unless the document is at one of the `expected` versions; None accepts any.

    `what` names the document at the beginning of the error's sentence.
    """
    if expected is not None and str(document["version"]) not in expected:
        raise Stale(
            f"{what} is at version {document['version']} now; read it again.",
            version=document["version"],
        )
