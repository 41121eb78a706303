"""The outcome of an attempt, and the text of its error."""

import errno
import smtplib

import pytest

from app.events.dispatch.delivery import Result, call
from app.events.dispatch.outcome import MAX_ERROR_CHARS, decide, describe_error
from app.events.dispatch.retry import RetryPolicy
from app.events.dispatch.scheduling.breaker import OUTAGES_TO_OPEN, Breaker
from app.kernel.errors import Invalid, Problem, Unavailable


def test_an_error_is_described_by_kind_and_first_line() -> None:
    """An operator groups failures by that text; it has no stack trace."""
    assert describe_error(ValueError("wrong size\nTraceback …")) == "ValueError: wrong size"


def test_an_error_without_text_is_described_by_its_kind() -> None:
    assert describe_error(RuntimeError()) == "RuntimeError: "


@pytest.mark.parametrize(
    ("text", "masked"),
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
def test_addresses_and_passwords_are_masked(text: str, masked: str) -> None:
    """Many people read failure.json and the log, so local parts of addresses are masked."""
    assert describe_error(ValueError(text)) == f"ValueError: {masked}"


def test_a_refused_recipient_is_masked_too() -> None:
    """smtplib puts the addresses into its errors."""
    error = smtplib.SMTPRecipientsRefused({"ann@example.com": (550, b"no such user")})
    assert "ann@" not in describe_error(error)


def test_a_file_error_names_no_path() -> None:
    """failure.json does not reveal where the data folder is."""
    error = OSError(errno.ENOSPC, "No space left on device", "/srv/daybook/data/mail/tmp/x")
    assert describe_error(error) == "OSError: No space left on device"


def test_a_long_text_is_cut() -> None:
    assert len(describe_error(ValueError("x" * 10_000))) == MAX_ERROR_CHARS


def test_invalid_and_unavailable_keep_their_sentence() -> None:
    """Our own errors are sentences that a person can act on."""
    assert describe_error(Unavailable("Try again.")) == "Unavailable: Try again."
    assert (
        describe_error(Invalid([Problem("/items/0", "is short")])) == "Invalid: items/0: is short"
    )


@pytest.mark.parametrize("error", [ValueError("x"), OSError("y"), SystemExit(3)])
def test_every_error_of_a_handler_is_caught(error: BaseException) -> None:
    """One handler cannot stop the deliveries to the others."""

    def work() -> None:
        raise error

    assert call(work) == Result(error=error)


def test_a_handler_that_succeeds_has_no_error() -> None:
    assert call(lambda: "paid") == Result("paid")


@pytest.mark.parametrize(
    ("error", "attempt", "kind"),
    [
        (None, 1, "done"),
        (OSError("down"), 1, "retry"),
        (OSError("down"), 3, "dead"),
        (ValueError("bad"), 1, "dead"),
    ],
)
def test_the_outcome_depends_on_error_and_attempt(
    error: Exception | None, attempt: int, kind: str
) -> None:
    """With three attempts, a transient error is retried until the last one."""
    assert decide(error, attempt, RetryPolicy(3, 0.1), Breaker()).kind == kind


def test_an_outage_is_held_once_the_breaker_is_open() -> None:
    """The last attempt is held too: an outage must not fill failure.json."""
    breaker = Breaker()
    outcomes = [decide(OSError("down"), 3, RetryPolicy(3, 0.1), breaker).kind for _ in range(8)]
    assert outcomes == [*["dead"] * (OUTAGES_TO_OPEN - 1), *["held"] * (8 - OUTAGES_TO_OPEN + 1)]


def test_a_permanent_error_is_dead_even_while_the_breaker_is_open() -> None:
    """Waiting for the peer would not help."""
    breaker = Breaker()
    for _ in range(OUTAGES_TO_OPEN):
        breaker.record(OSError("down"))
    assert decide(ValueError("bad"), 1, RetryPolicy(3, 0.1), breaker).kind == "dead"
