"""The trace that the present work belongs to: from a request, by its events, to every handler.

W3C Trace Context (https://www.w3.org/TR/trace-context/). A trace is one thing that somebody did, a
span a piece of the work for it; `traceparent` names both to whoever goes on with it. Their ids are
random, and no secrets.
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


class Trace(NamedTuple):
    """One span: its trace, itself, and the span that led to it ("" when it is the first)."""

    trace_id: str
    span_id: str
    parent_id: str = ""
    flags: str = _SAMPLED

    @property
    def traceparent(self) -> str:
        """How whoever goes on with it is told."""
        return f"{_FIRST_VERSION}-{self.trace_id}-{self.span_id}-{self.flags}"


def beginning() -> Trace:
    """The first span of a new trace."""
    return Trace(_random(32), _random(16))


def after(traceparent: object) -> Trace | None:
    """A new span of the trace that `traceparent` names; None when that is none.

    A later version of the standard may have more after the flags, and is read as far as this one.
    """
    found = _TRACEPARENT.fullmatch(traceparent) if isinstance(traceparent, str) else None
    if found is None or (found[1] == _FIRST_VERSION and found[5]):
        return None
    sampled = int(found[4], 16) & 1
    return Trace(found[2], _random(16), found[3], f"{sampled:02x}")


def below(span: Trace) -> Trace:
    """A new span, a part of `span`."""
    return Trace(span.trace_id, _random(16), span.span_id, span.flags)


def current() -> Trace | None:
    """The span that this thread works for; None when nobody traces it."""
    return _current.get()


def enter(trace: Trace | None) -> None:
    """Have this thread work for `trace` from now on."""
    _current.set(trace)


@contextmanager
def within(trace: Trace | None) -> Iterator[None]:
    """Have this thread work for `trace` inside the block."""
    token = _current.set(trace)
    try:
        yield
    finally:
        _current.reset(token)


def _random(digits: int) -> str:
    """So many hexadecimal digits. They name something, and guard nothing."""
    return f"{getrandbits(4 * digits):0{digits}x}"  # nosec B311


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)
