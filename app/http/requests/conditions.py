"""Conditional requests (RFC 9110, 13.1): the ETags in If-Match and If-None-Match."""

import re

from flask import request
from werkzeug.datastructures import ETags

from app.kernel.versions import ExpectedVersions

_VERSION = re.compile("[1-9][0-9]{0,12}")
"""The ETag of a version, which is at most 10**12."""


class EtagCondition(ExpectedVersions):
    """The versions of a document that a request may change (RFC 9110, 13.1.1 and 13.1.2)."""

    def __init__(self, if_match: ETags | None, if_none_match: ETags | None = None) -> None:
        self._if_match = if_match
        self._if_none_match = if_none_match

    def accept(self, oldest: int, present: int) -> bool:
        """Whether If-Match names a version from `oldest` to `present`, and If-None-Match does not
        name the present one.
        """
        if self._if_none_match is not None and self._if_none_match.contains_weak(str(present)):
            return False
        if self._if_match is None or self._if_match.star_tag:
            return True
        # the empty ETag is None in werkzeug's set
        etags = filter(_VERSION.fullmatch, filter(None, self._if_match))
        return any(oldest <= int(etag) <= present for etag in etags)


def expected_versions() -> EtagCondition | None:
    """The condition of this request; None when it has neither If-Match nor If-None-Match."""
    if_match = request.if_match if "If-Match" in request.headers else None
    if_none_match = request.if_none_match if "If-None-Match" in request.headers else None
    if if_match is None and if_none_match is None:
        return None
    return EtagCondition(if_match, if_none_match)
