"""gzip for lists, CSV, the OpenAPI contract and scripts, when the client accepts it.

A single document is not compressed: its ETag is its version and strong, as If-Match needs it, and a
compressed body would need another one (RFC 9110, 8.8.3.3). HTML is not, because the compressed
length would leak its hidden tokens (the BREACH attack). Server-sent events are not, because gzip
would hold messages back.
"""

import zlib
from collections.abc import Iterable, Iterator

from flask import Response, request

MIN_BYTES = 1400
"""A smaller body fits into one packet uncompressed."""

_MEDIA_TYPES = (
    "application/javascript",
    "application/json",
    "application/x-ndjson",
    "image/svg+xml",
    "text/css",
    "text/csv",
    "text/javascript",
    "text/plain",
)
_LEVEL = 4
_GZIP_WBITS = 16 + zlib.MAX_WBITS


def compress(response: Response) -> Response:
    """Compress the response with gzip when it is compressible and the client accepts gzip."""
    if not _is_compressible(response):
        return response
    response.vary.add("Accept-Encoding")
    if not request.accept_encodings["gzip"]:
        return response
    response.headers["Content-Encoding"] = "gzip"
    response.direct_passthrough = False
    source, chunks = response.response, _gzip(response.iter_encoded())
    if not response.is_streamed:
        response.set_data(b"".join(chunks))
        return response
    response.response = chunks
    response.headers.pop("Content-Length", None)
    if close := getattr(source, "close", None):
        response.call_on_close(close)
    return response


def _is_compressible(response: Response) -> bool:
    if response.status_code != 200 or "ETag" in response.headers:
        return False
    length = response.content_length
    return (
        response.mimetype in _MEDIA_TYPES
        and (length is None or length >= MIN_BYTES)
        and "Content-Encoding" not in response.headers
    )


def _gzip(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks compressed one by one, so that a stream stays a stream."""
    compressor = zlib.compressobj(_LEVEL, wbits=_GZIP_WBITS)
    for chunk in chunks:
        if compressed := compressor.compress(chunk):
            yield compressed
    yield compressor.flush()
