"""When a failed delivery is tried again, and when it is given up."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from app.events.dispatch.retry import MAX_RETRY_WAIT_S, RetryPolicy
from app.events.dispatch.retry_schedule import JITTER, RetrySchedule
from app.events.faults import FaultInjected
from app.kernel.errors import Invalid, Problem, StorageFull, Unavailable

POLICY = RetryPolicy(attempts=5, first_wait_s=0.2)


@pytest.mark.parametrize(
    "error",
    [
        *(Unavailable("down"), StorageFull("full"), OSError("refused"), FaultInjected("x")),
        *(MemoryError(), SystemError("error return without exception set")),
    ],
)
def test_a_transient_error_is_retried(error: Exception) -> None:
    """Outages, disk errors, injected faults and a lack of memory are worth a retry."""
    assert POLICY.wait_s(error, attempt=1) is not None


@pytest.mark.parametrize("error", [Invalid([Problem("", "no")]), KeyError("x"), SystemExit(1)])
def test_a_permanent_error_is_not_retried(error: BaseException) -> None:
    """A broken rule, a bad payload or a defect fails again, however long one waits."""
    assert POLICY.wait_s(error, attempt=1) is None


@pytest.mark.parametrize(
    ("attempt", "min_s", "max_s"), [(1, 0.2, 0.4), (2, 0.4, 0.6), (4, 1.6, 1.8)]
)
def test_the_wait_doubles_and_is_jittered(attempt: int, min_s: float, max_s: float) -> None:
    """0.2 s, 0.4 s, 0.8 s and so on, each with up to 0.2 s of jitter on top."""
    wait_s = POLICY.wait_s(OSError("down"), attempt)
    assert wait_s is not None
    assert min_s <= wait_s <= max_s


def test_the_wait_is_a_minute_at_most() -> None:
    """The back-off is capped, however many attempts there were."""
    policy = RetryPolicy(attempts=100, first_wait_s=600)
    wait_s = policy.wait_s(OSError("down"), attempt=90)
    assert wait_s is not None
    assert wait_s <= MAX_RETRY_WAIT_S


def test_no_attempt_follows_the_last_one() -> None:
    """The limit counts all attempts, whichever process made the first ones."""
    assert POLICY.wait_s(OSError("down"), attempt=4) is not None
    assert POLICY.wait_s(OSError("down"), attempt=5) is None
    assert POLICY.wait_s(OSError("down"), attempt=6) is None


def test_a_policy_can_be_used_from_several_threads() -> None:
    """tenacity keeps state for each thread; none of it leaks from one call to the next."""
    with ThreadPoolExecutor(4) as pool:
        waits = list(pool.map(lambda n: POLICY.wait_s(OSError("x"), n % 6 + 1), range(600)))
    assert [wait_s is None for wait_s in waits] == [n % 6 >= 4 for n in range(600)]


def test_a_schedule_has_its_own_wait_after_each_attempt() -> None:
    """Each is up to a twentieth longer; after the last attempt, or for good, there is none."""
    schedule = RetrySchedule((5.0, 300.0))
    for attempt, fixed_s in ((1, 5.0), (2, 300.0)):
        wait_s = schedule.wait_s(Unavailable("down"), attempt)
        assert wait_s is not None
        assert fixed_s <= wait_s <= fixed_s * (1 + JITTER)
    assert schedule.wait_s(Unavailable("down"), 3) is None
    assert schedule.wait_s(KeyError("x"), 1) is None
