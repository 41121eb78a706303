"""gzip for answers where it pays: lists, CSV, the contract and scripts, when the client takes it.

Not for a single document: its ETag is the version, strong, as If-Match needs it, and a coded answer
would need another (RFC 9110, 8.8.3.3). Not for HTML, whose hidden tokens a coded length gives away
(the BREACH attack), nor for a stream of events, which must not wait for more to come.
"""

import zlib
from collections.abc import Iterable, Iterator

from flask import Response, request

LEAST_BYTES = 1400
"""What fits into one packet anyway gains nothing."""

_TYPES = frozenset(
    {
        "application/javascript",
        "application/json",
        "image/svg+xml",
        "text/css",
        "text/csv",
        "text/javascript",
        "text/plain",
    }
)
_LEVEL = 4
_GZIP = 16 + zlib.MAX_WBITS


def compressed(response: Response) -> Response:
    """`response`, coded with gzip where that pays and the client has asked for it."""
    if not _would_pay(response):
        return response
    response.vary.add("Accept-Encoding")
    if not request.accept_encodings["gzip"]:
        return response
    response.headers["Content-Encoding"] = "gzip"
    response.direct_passthrough = False
    sent, pieces = response.response, _coded(response.iter_encoded())
    if not response.is_streamed:
        response.set_data(b"".join(pieces))
        return response
    response.response = pieces
    response.headers.pop("Content-Length", None)
    if close := getattr(sent, "close", None):
        response.call_on_close(close)
    return response


def _would_pay(response: Response) -> bool:
    if response.mimetype not in _TYPES or response.status_code != 200:
        return False
    length = response.content_length
    return (
        (length is None or length >= LEAST_BYTES)
        and "ETag" not in response.headers
        and "Content-Encoding" not in response.headers
    )


def _coded(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Piece by piece, so that a stream stays one."""
    coder = zlib.compressobj(_LEVEL, wbits=_GZIP)
    for piece in pieces:
        if coded := coder.compress(piece):
            yield coded
    yield coder.flush()
