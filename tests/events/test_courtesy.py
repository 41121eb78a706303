"""Deliveries give way to requests in a burst, and in a burst only."""

from app.events.courtesy import LONGEST_REST_S, OVERDUE_S, Courtesy


def rests(courtesy: Courtesy, *waits_s: float, due_s: float = 0.0) -> list[float]:
    """How long it rests after each of these waits."""
    return [courtesy.rest_s(waited_s, due_s) for waited_s in waits_s]


def test_who_hardly_waits_does_not_rest() -> None:
    """A moment each time counts for nothing."""
    assert rests(Courtesy(), *[0.001] * 50) == [0.0] * 50


def test_one_long_wait_is_chance() -> None:
    """It can be the disk; on a quiet day nobody is the worse for it."""
    assert rests(Courtesy(), *[0.0002] * 20, 0.005, *[0.0002] * 20) == [0.0] * 41


def test_the_longer_it_had_to_wait_lately_the_longer_it_rests() -> None:
    """Up to a bound; and no more once it is quiet again."""
    courtesy = Courtesy()
    busy = rests(courtesy, *[0.003] * 60)
    assert busy == sorted(busy)
    assert 0.0 == busy[0] < busy[-1] < LONGEST_REST_S
    assert max(rests(courtesy, *[1.0] * 60)) == LONGEST_REST_S
    assert rests(courtesy, *[0.0] * 80)[-1] == 0.0


def test_what_is_overdue_gives_way_no_more() -> None:
    """This is no burst any more."""
    courtesy = Courtesy()
    assert rests(courtesy, *[1.0] * 3, due_s=OVERDUE_S)[-1] == LONGEST_REST_S
    assert rests(courtesy, 1.0, due_s=OVERDUE_S + 1) == [0.0]
