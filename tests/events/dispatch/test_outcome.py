"""What came of a delivery, and how its error is worded."""

import errno
import smtplib

import pytest

from app.events.dispatch.breaker import LIMIT, Breaker
from app.events.dispatch.outcome import LONGEST_TEXT, Result, described, judge, result_of
from app.events.dispatch.retry import RetryPolicy
from app.kernel.errors import Invalid, Problem, Unavailable


def test_an_error_is_described_by_kind_and_first_line() -> None:
    """What an operator needs to group failures; no stack."""
    assert described(ValueError("wrong size\nTraceback …")) == "ValueError: wrong size"


def test_an_error_without_text_is_described_by_its_kind() -> None:
    assert described(RuntimeError()) == "RuntimeError: "


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("ann.smith@example.com refused", "***@example.com refused"),
        ("to <ann+tea@example.com>, bob@example.org", "to <***@example.com>, ***@example.org"),
        ('"ann smith"@example.com', "***@example.com"),
        ("jürgen@münchen.example", "***@münchen.example"),
        ("b'ann@example.com'", "b'***@example.com'"),
        ("ann@[192.0.2.1]", "***@[192.0.2.1]"),
        ("smtp://shop:s3cret@mail.example.com/", "smtp://***@mail.example.com/"),
        ("3 @ 4.50 each", "3 @ 4.50 each"),
    ],
)
def test_no_address_and_no_password_is_kept(text: str, kept: str) -> None:
    """failure.json and the log are read by many; the local part of an address is masked."""
    assert described(ValueError(text)) == f"ValueError: {kept}"


def test_a_refused_recipient_is_masked_too() -> None:
    """smtplib puts the addresses into its errors."""
    error = smtplib.SMTPRecipientsRefused({"ann@example.com": (550, b"no such user")})
    assert "ann@" not in described(error)


def test_a_file_error_names_no_path() -> None:
    """Where the data folder lies is nobody's business."""
    error = OSError(errno.ENOSPC, "No space left on device", "/srv/daybook/data/mail/tmp/x")
    assert described(error) == "OSError: No space left on device"


def test_a_long_text_is_cut() -> None:
    assert len(described(ValueError("x" * 10_000))) == LONGEST_TEXT


def test_invalid_and_unavailable_keep_their_sentence() -> None:
    """Our own errors are sentences that a person can act on."""
    assert described(Unavailable("Try again.")) == "Unavailable: Try again."
    assert described(Invalid([Problem("/items/0", "is short")])) == "Invalid: items/0: is short"


@pytest.mark.parametrize("error", [ValueError("x"), OSError("y"), SystemExit(3)])
def test_whatever_a_handler_raises_is_caught(error: BaseException) -> None:
    """Nothing that a handler does may end the deliveries of the others."""

    def work() -> None:
        raise error

    assert result_of(work) == Result(error=error)


def test_a_handler_that_succeeds_has_no_error() -> None:
    assert result_of(lambda: "paid") == Result("paid")


@pytest.mark.parametrize(
    ("error", "attempt", "what"),
    [
        (None, 1, "done"),
        (OSError("down"), 1, "retry"),
        (OSError("down"), 3, "dead"),
        (ValueError("bad"), 1, "dead"),
    ],
)
def test_the_verdict_follows_from_error_and_attempt(
    error: Exception | None, attempt: int, what: str
) -> None:
    """With three attempts: what can pass is tried again, until the last one."""
    assert judge(error, attempt, RetryPolicy(3, 0.1), Breaker()).what == what


def test_an_outage_is_held_once_the_breaker_is_open() -> None:
    """Also at the last attempt: an outage must not fill failure.json."""
    breaker = Breaker()
    verdicts = [judge(OSError("down"), 3, RetryPolicy(3, 0.1), breaker).what for _ in range(8)]
    assert verdicts == [*["dead"] * (LIMIT - 1), *["held"] * (8 - LIMIT + 1)]


def test_a_bad_payload_is_parked_even_while_the_breaker_is_open() -> None:
    """Waiting for the peer would not mend it."""
    breaker = Breaker()
    for _ in range(LIMIT):
        breaker.record(OSError("down"))
    assert judge(ValueError("bad"), 1, RetryPolicy(3, 0.1), breaker).what == "dead"
