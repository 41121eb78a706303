"""Prefer: wait=N (RFC 7240): answer when the handlers are through, or after N seconds."""

import threading
from collections.abc import Callable

from flask import Response, request
from werkzeug.http import parse_dict_header

from app.http.answers import versioned
from app.store import Document

LONGEST_WAIT_S = 10.0
PLACES = threading.BoundedSemaphore(4)
"""How many requests of a process may wait at once, so that the others find a thread."""


def preferred_wait_s() -> float:
    """At most ten seconds; a preference that is not understood is ignored, as the standard says."""
    text = parse_dict_header(request.headers.get("Prefer", "")).get("wait") or ""
    return min(float(text), LONGEST_WAIT_S) if text.isascii() and text.isdigit() else 0.0


def waited(response: Response, wait_s: float, wait: Callable[[float], Document | None]) -> Response:
    """`response`, brought up to date after the wait; as it was when no place to wait is left."""
    if not PLACES.acquire(blocking=False):
        return response
    try:
        document = wait(wait_s)
    finally:
        PLACES.release()
    if document is not None:
        location = response.headers["Location"]
        response = versioned(document, response.status_code, Location=location)
    response.headers["Preference-Applied"] = f"wait={wait_s:g}"
    return response
