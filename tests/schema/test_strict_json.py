"""The strict JSON parser: whatever it accepts can be stored, and each refusal has a reason."""

from time import thread_time

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kernel.errors import Invalid, Malformed
from app.schema import strict_json

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
VALUES = st.recursive(
    SCALARS, lambda each: st.lists(each) | st.dictionaries(st.text(), each), max_leaves=8
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{}", {}),
        (' [1, "a", null, true, 0.5] \n', [1, "a", None, True, 0.5]),
        ("18446744073709551615", 2**64 - 1),
        ("-9223372036854775808", -(2**63)),
        ('"\\ud83d\\ude00"', "😀"),
        ('"\\\\ud800"', "\\ud800"),
        ("[" * 32 + "]" * 32, None),
        ('{"a":{"a":1}}', {"a": {"a": 1}}),
        ('"' + "[" * 500 + '\\"' + "{" * 500 + '"', None),
    ],
)
def test_valid_text_is_parsed(text: str, value: object) -> None:
    """JSON by RFC 8259 is parsed as Python's json module does."""
    read = strict_json.loads(text.encode())
    assert value is None or read == value


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b" \r\n", "empty"),
        (b"\xff", r"UTF-8 \(byte 0\)"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b"{,}", "line 1, column 2"),
        (b"[1,\n2,]", "line 2"),
        (b"{}{}", "Extra data"),
        (b"'a'", "Not valid JSON"),
        (b'"\n"', "Not valid JSON"),
        (b"NaN", "NaN"),
        (b"[-Infinity]", "-Infinity"),
        (b'{"a":1,"b":2,"a":3}', "'a' occurs twice"),
        (b'{"a":1,"\\u0061":3}', "'a' occurs twice"),
        (b"1e999", "too large"),
        (b"0." + b"1" * 5000, "too many digits"),
        (b"1" * 5000, "64 digits"),
        (b'["\\ud800", 18446744073709551616, ]', "line 1, column"),
        (b"[" * 33 + b"]" * 33, "32 levels"),
        (b'{"a":' * 100_000, "32 levels"),
        (b'["\\"",' + b"[" * 40, "32 levels"),
    ],
)
def test_invalid_text_is_refused(data: bytes, reason: str) -> None:
    """Text that Python's json module accepts or fails on is refused with the reason."""
    with pytest.raises(Malformed, match=reason):
        strict_json.loads(data)


@pytest.mark.parametrize(
    ("data", "problems"),
    [
        (b"18446744073709551616", [("", "64 bits")]),
        (b'{"a": [1, -9223372036854775809]}', [("/a/1", "64 bits")]),
        (b"1" * 64, [("", "64 bits")]),
        (b'"\\ud800"', [("", "surrogate")]),
        (b'{"a/b": "x\\udc00y"}', [("/a~1b", "surrogate")]),
        (b'{"\\udc00": "\\ud83d\\ude00"}', [("/?", "surrogate")]),
        (b'["\\ud800", 18446744073709551616]', [("/0", "surrogate"), ("/1", "64 bits")]),
    ],
)
def test_a_value_that_cannot_be_stored_is_refused_by_pointer(
    data: bytes, problems: list[tuple[str, str]]
) -> None:
    """The text is valid JSON, so the error is Invalid with a pointer to each value."""
    with pytest.raises(Invalid) as refused:
        strict_json.loads(data)
    found = refused.value.problems
    assert [problem.pointer for problem in found] == [pointer for pointer, _ in problems]
    assert all(word in fault.message for fault, (_, word) in zip(found, problems, strict=True))


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    """No other exception is raised, and a parsed value can be stored."""
    try:
        value = strict_json.loads(data)
    except (Malformed, Invalid):
        return
    orjson.dumps(value)


@given(VALUES)
def test_a_stored_value_is_read_back(value: object) -> None:
    """Every value that the store can write is parsed to the same value."""
    assert strict_json.loads(orjson.dumps(value)) == value


@given(st.lists(VALUES))
def test_elements_are_those_of_the_array(values: list[object]) -> None:
    """Parsing by elements gives the same values as parsing the whole, with their lines."""
    data = orjson.dumps(values, option=orjson.OPT_INDENT_2)
    assert [value for _, value in strict_json.elements(data)] == values
    with_lines = b"[\n" + b",\n".join(orjson.dumps(value) for value in values) + b"\n]"
    lines = [line for line, _ in strict_json.elements(with_lines)] if values else []
    assert lines == list(range(2, len(values) + 2))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"{}", "array"),
        (b"[1 2]", "',' delimiter.*column 4"),
        (b"[1,\n]", "line 2"),
        (b"[1", "column 3"),
        (b"[", "column 2"),
        (b"[1] 2", "Extra data"),
        (b"[\n1,\nNaN]", "NaN"),
        (b'[1,"\\ud800"]', "surrogate"),
    ],
)
def test_an_invalid_array_is_refused(data: bytes, reason: str) -> None:
    """An array is parsed as strictly as any other text."""
    with pytest.raises(Malformed, match=reason):
        list(strict_json.elements(data))


def test_a_repeated_member_is_found_in_linear_time() -> None:
    """A hundred thousand members, the last a repetition, take little CPU time."""
    members = ",".join(f'"{n}":0' for n in range(100_000))
    began = thread_time()
    with pytest.raises(Malformed, match="'0' occurs twice"):
        strict_json.loads(f'{{{members},"0":0}}'.encode())
    assert thread_time() - began < 5
