"""When to try again, and when to give up."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from app.events.dispatch.retry import LONGEST_PAUSE_S, FaultInjected, RetryPolicy
from app.kernel.errors import Invalid, Problem, StorageFull, Unavailable

POLICY = RetryPolicy(attempts=5, first_wait_s=0.2)


@pytest.mark.parametrize(
    "error", [Unavailable("down"), StorageFull("full"), OSError("refused"), FaultInjected("x")]
)
def test_an_error_that_can_pass_is_tried_again(error: Exception) -> None:
    """Outages, disk errors and injected faults are worth a retry."""
    assert POLICY.pause_s(error, attempt=1) is not None


@pytest.mark.parametrize("error", [Invalid([Problem("", "no")]), KeyError("x"), SystemExit(1)])
def test_an_error_that_cannot_pass_is_given_up_at_once(error: BaseException) -> None:
    """Rules, payloads and defects do not get better by waiting."""
    assert POLICY.pause_s(error, attempt=1) is None


@pytest.mark.parametrize(
    ("attempt", "least", "most"), [(1, 0.2, 0.4), (2, 0.4, 0.6), (4, 1.6, 1.8)]
)
def test_the_pause_doubles_and_is_jittered(attempt: int, least: float, most: float) -> None:
    """0.2 s, 0.4 s, 0.8 s and so on, each with up to 0.2 s on top."""
    pause_s = POLICY.pause_s(OSError("down"), attempt)
    assert pause_s is not None
    assert least <= pause_s <= most


def test_the_pause_is_a_minute_at_most() -> None:
    """However many attempts there were."""
    policy = RetryPolicy(attempts=100, first_wait_s=600)
    pause_s = policy.pause_s(OSError("down"), attempt=90)
    assert pause_s is not None
    assert pause_s <= LONGEST_PAUSE_S


def test_the_last_attempt_is_the_last() -> None:
    """After `attempts` of them there is no other, whichever process made the first ones."""
    assert POLICY.pause_s(OSError("down"), attempt=4) is not None
    assert POLICY.pause_s(OSError("down"), attempt=5) is None
    assert POLICY.pause_s(OSError("down"), attempt=6) is None


def test_the_policy_may_be_asked_from_any_thread() -> None:
    """tenacity keeps state for each thread; none of it may leak from one question to the next."""
    with ThreadPoolExecutor(4) as pool:
        pauses = list(pool.map(lambda n: POLICY.pause_s(OSError("x"), n % 6 + 1), range(600)))
    assert [pause is None for pause in pauses] == [n % 6 >= 4 for n in range(600)]
