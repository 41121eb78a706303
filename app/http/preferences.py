"""Prefer: wait=N (RFC 7240): answer when the handlers are through, or after N seconds."""

import threading
from collections.abc import Callable

from flask import Response, request
from werkzeug.http import parse_dict_header

from app.http.answers import versioned
from app.store import Document

LONGEST_WAIT_S = 10.0
PLACES = threading.BoundedSemaphore(4)
"""How many requests of this process may wait at once, so that those who don't wait find a thread."""


def waited(response: Response, wait: Callable[[float], Document]) -> Response:
    """`response`, or the document as it is after the preferred wait; as it was when nobody may wait."""
    wait_s = _preferred_wait_s()
    if not wait_s or not PLACES.acquire(blocking=False):
        return response
    try:
        document = wait(wait_s)
    finally:
        PLACES.release()
    answer = versioned(document, response.status_code, Location=response.headers["Location"])
    answer.headers["Preference-Applied"] = f"wait={wait_s:g}"
    return answer


def _preferred_wait_s() -> float:
    """At most ten seconds; a preference that is not understood is ignored, as the standard says."""
    text = parse_dict_header(request.headers.get("Prefer", "")).get("wait") or ""
    return min(float(text), LONGEST_WAIT_S) if text.isascii() and text.isdigit() else 0.0
