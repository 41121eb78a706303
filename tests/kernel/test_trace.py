"""W3C Trace Context."""

import pytest

from app.kernel import trace

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_a_traceparent_continues_in_a_new_span() -> None:
    """The new span has the trace, the flags and the parent of the header."""
    span = trace.from_traceparent(f"00-{TRACE_ID}-{SPAN_ID}-01")
    assert span is not None
    assert (span.trace_id, span.parent_id, span.flags) == (TRACE_ID, SPAN_ID, "01")
    assert span.span_id != SPAN_ID
    assert trace.from_traceparent(span.traceparent) is not None


@pytest.mark.parametrize(
    ("given", "kept"), [("00", "00"), ("01", "01"), ("03", "01"), ("fe", "00")]
)
def test_the_sampled_flag_is_passed_on(given: str, kept: str) -> None:
    """Other flags are dropped, because their meaning is unknown."""
    span = trace.from_traceparent(f"00-{TRACE_ID}-{SPAN_ID}-{given}")
    assert span is not None
    assert span.flags == kept


def test_a_later_version_is_parsed_up_to_the_flags() -> None:
    """Fields after the flags of a later version are ignored."""
    span = trace.from_traceparent(f"cc-{TRACE_ID}-{SPAN_ID}-01-what-the-future-will-be-like")
    assert span is not None
    assert span.trace_id == TRACE_ID


@pytest.mark.parametrize(
    "given",
    [
        None,
        7,
        "",
        "00",
        f"00-{TRACE_ID}-{SPAN_ID}",
        f"00-{TRACE_ID}-{SPAN_ID}-01-more",
        f"ff-{TRACE_ID}-{SPAN_ID}-01",
        f"00-{'0' * 32}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID.upper()}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{SPAN_ID}-01\n",
        f" 00-{TRACE_ID}-{SPAN_ID}-01",
    ],
)
def test_an_invalid_traceparent_is_ignored(given: object) -> None:
    """An invalid header gives None, so that a new trace starts."""
    assert trace.from_traceparent(given) is None


def test_a_new_trace_is_well_formed_and_new() -> None:
    """A new trace has a valid traceparent, a fresh id and no parent."""
    first, second = trace.new_trace(), trace.new_trace()
    assert trace.from_traceparent(first.traceparent) is not None
    assert first.trace_id != second.trace_id
    assert first.parent_id == ""


def test_a_span_is_attached_inside_its_block() -> None:
    """The span before the block is attached again after it."""
    span = trace.new_trace()
    with trace.attached(span):
        assert trace.current() == span
        with trace.attached(None):
            assert trace.current() is None
        assert trace.current() == span
    assert trace.current() is None
