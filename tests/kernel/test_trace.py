"""Traces, as W3C Trace Context has them."""

import pytest

from app.kernel import trace

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_a_trace_goes_on_in_a_span_of_its_own() -> None:
    span = trace.from_traceparent(f"00-{TRACE_ID}-{SPAN_ID}-01")
    assert span is not None
    assert (span.trace_id, span.parent_id, span.flags) == (TRACE_ID, SPAN_ID, "01")
    assert span.span_id != SPAN_ID
    assert trace.from_traceparent(span.traceparent) is not None


@pytest.mark.parametrize(
    ("given", "kept"), [("00", "00"), ("01", "01"), ("03", "01"), ("fe", "00")]
)
def test_whether_it_is_sampled_goes_on_too(given: str, kept: str) -> None:
    """The other flags are not ours to repeat: we don't know what they mean."""
    span = trace.from_traceparent(f"00-{TRACE_ID}-{SPAN_ID}-{given}")
    assert span is not None
    assert span.flags == kept


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
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
def test_what_is_no_traceparent_is_none(given: object) -> None:
    """Then a new trace begins; nobody is refused for it."""
    assert trace.from_traceparent(given) is None


def test_a_new_trace_is_well_formed_and_new() -> None:
    first, second = trace.new_trace(), trace.new_trace()
    assert trace.from_traceparent(first.traceparent) is not None
    assert first.trace_id != second.trace_id
    assert first.parent_id == ""


def test_work_inside_a_span_is_for_its_trace_alone() -> None:
    span = trace.new_trace()
    with trace.attached(span):
        assert trace.current() == span
        with trace.attached(None):
            assert trace.current() is None
        assert trace.current() == span
    assert trace.current() is None
