"""Conditional requests (RFC 9110, 13.1): the ETags in If-Match and If-None-Match."""

from collections.abc import Container

from flask import request
from werkzeug.datastructures import ETags


class EtagCondition(Container[str]):
    """The versions of a document that a request may change (RFC 9110, 13.1.1 and 13.1.2)."""

    def __init__(self, if_match: ETags | None, if_none_match: ETags | None) -> None:
        self._if_match = if_match
        self._if_none_match = if_none_match

    def __contains__(self, version: object) -> bool:
        etag = str(version)
        if self._if_match is not None and not self._if_match.contains(etag):
            return False
        return self._if_none_match is None or not self._if_none_match.contains_weak(etag)


def expected_versions() -> EtagCondition | None:
    """The condition of this request; None when it has neither If-Match nor If-None-Match."""
    if_match = request.if_match if "If-Match" in request.headers else None
    if_none_match = request.if_none_match if "If-None-Match" in request.headers else None
    if if_match is None and if_none_match is None:
        return None
    return EtagCondition(if_match, if_none_match)
