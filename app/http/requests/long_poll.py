"""Prefer: wait=N (RFC 7240): answer when the handlers are through, or after N seconds."""

import threading
from collections.abc import Callable

from flask import Response, request
from werkzeug.http import parse_dict_header

from app.http.responses.json_response import versioned
from app.store import Document

LONGEST_WAIT_S = 10.0


def preferred_wait_s() -> float:
    """At most ten seconds; a preference that is not understood is ignored, as the standard says."""
    header = request.headers.get("Prefer")
    if header is None:
        return 0.0
    preferences = {name.lower(): value for name, value in parse_dict_header(header).items()}
    text = preferences.get("wait") or ""
    return min(float(text), LONGEST_WAIT_S) if text.isascii() and text.isdigit() else 0.0


class LongPollSlots:
    """Where requests of one process wait, at most `places` at once, so that others find a thread.

    With no place left, or none at all, nobody waits.
    """

    def __init__(self, places: int) -> None:
        self._places = threading.BoundedSemaphore(places)

    def waited(
        self, response: Response, wait_s: float, wait: Callable[[float], Document | None]
    ) -> Response:
        """`response`, brought up to date after the wait; as it was when there is no place."""
        if not self._places.acquire(blocking=False):
            return response
        try:
            document = wait(wait_s)
        finally:
            self._places.release()
        if document is not None:
            location = response.headers["Location"]
            response = versioned(document, response.status_code, Location=location)
        response.headers["Preference-Applied"] = f"wait={wait_s:g}"
        return response
