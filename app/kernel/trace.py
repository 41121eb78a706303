"""W3C Trace Context (https://www.w3.org/TR/trace-context/): the trace of the current work.

A trace is all work that one request caused, through its events and their handlers; a span is one
piece of that work. `traceparent` passes both on. The ids are random, and are no secrets.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from random import getrandbits
from typing import NamedTuple

_TRACEPARENT = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?"
)
_FIRST_VERSION = "00"
_SAMPLED = "01"


class TraceContext(NamedTuple):
    """The ids of a span, of its trace, and of its parent span ("" for the first span)."""

    trace_id: str
    span_id: str
    parent_id: str = ""
    flags: str = _SAMPLED

    @property
    def traceparent(self) -> str:
        """The value of a traceparent header that continues this trace."""
        return f"{_FIRST_VERSION}-{self.trace_id}-{self.span_id}-{self.flags}"


def new_trace() -> TraceContext:
    """The first span of a new trace."""
    return TraceContext(_random(32), _random(16))


def from_traceparent(traceparent: object) -> TraceContext | None:
    """A new span of the trace that a traceparent header names; None when the header is invalid.

    A later version of the standard may add fields after the flags; they are ignored.
    """
    found = _TRACEPARENT.fullmatch(traceparent) if isinstance(traceparent, str) else None
    if found is None or (found[1] == _FIRST_VERSION and found[5]):
        return None
    sampled = int(found[4], 16) & 1
    return TraceContext(found[2], _random(16), found[3], f"{sampled:02x}")


def child_of(span: TraceContext) -> TraceContext:
    """A new span whose parent is `span`."""
    return TraceContext(span.trace_id, _random(16), span.span_id, span.flags)


def current() -> TraceContext | None:
    """The span attached to this thread, or None."""
    return _current.get()


def attach(span: TraceContext | None) -> None:
    """Attach a span to this thread."""
    _current.set(span)


@contextmanager
def attached(span: TraceContext | None) -> Iterator[None]:
    """Attach a span to this thread inside the block; the one before returns after it."""
    token = _current.set(span)
    try:
        yield
    finally:
        _current.reset(token)


def _random(digits: int) -> str:
    """Random hexadecimal digits, not for security."""
    return f"{getrandbits(4 * digits):0{digits}x}"  # nosec B311


_current: ContextVar[TraceContext | None] = ContextVar("trace", default=None)
