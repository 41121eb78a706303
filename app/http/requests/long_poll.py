"""Long polling with Prefer: wait=N (RFC 7240): respond early when the event handlers are done."""

import threading
from collections.abc import Callable

from flask import Response, request
from werkzeug.http import parse_list_header

from app.http.responses.json_response import etag_response
from app.store import Document

MAX_WAIT_S = 10.0


def requested_wait_s() -> float:
    """The wait that Prefer asks for, at most MAX_WAIT_S; 0 without one, or for a malformed one.

    The first of several counts; parameters after a semicolon do not.
    """
    header = request.environ.get("HTTP_PREFER")
    if header is None:
        return 0.0
    preferences = (each.partition(";")[0].partition("=") for each in parse_list_header(header))
    waits = (value for name, _, value in preferences if name.strip().lower() == "wait")
    text = next(waits, "").strip().strip('"')
    return min(float(text), MAX_WAIT_S) if text.isascii() and text.isdigit() else 0.0


class LongPollSlots:
    """Bounds the requests of one process that wait at once, so that others find a free thread."""

    def __init__(self, limit: int) -> None:
        self._slots = threading.BoundedSemaphore(limit)

    def wait_for_update(
        self, response: Response, wait_s: float, wait: Callable[[float], Document | None]
    ) -> Response:
        """A response with the document that `wait` returns after at most `wait_s` seconds.

        It is `response` itself when no slot is free, or when `wait` returns None.
        """
        if not self._slots.acquire(blocking=False):
            return response
        try:
            document = wait(wait_s)
        finally:
            self._slots.release()
        if document is not None:
            location = response.headers["Location"]
            response = etag_response(document, response.status_code, Location=location)
        response.headers["Preference-Applied"] = f"wait={wait_s:g}"
        return response
