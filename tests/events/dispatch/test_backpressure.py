"""Deliveries give way to requests in a burst, and in a burst only."""

from app.events.dispatch.backpressure import BURST, HURRY, OVERDUE_S, REST_S, Throttle

LONG_S = 0.003


def rests(
    courtesy: Throttle, *waits_s: float, came: int = BURST, due_s: float = 0.0
) -> list[float]:
    """How long it rests after each of these waits."""
    return [courtesy.rest_s(came, waited_s, due_s) for waited_s in waits_s]


def test_who_hardly_waits_does_not_rest() -> None:
    """A moment each time counts for nothing."""
    assert rests(Throttle(), *[0.002] * 50) == [0.0] * 50


def test_some_long_waits_are_chance() -> None:
    """It can be the disk; on a quiet day nobody is the worse for it."""
    assert rests(Throttle(), *[0.0002, 0.0002, 0.5] * 20) == [0.0] * 60


def test_when_most_waits_are_long_it_rests() -> None:
    """Until most of late are short again."""
    courtesy = Throttle()
    assert rests(courtesy, *[LONG_S] * 60) == [0.0] * 3 + [REST_S] * 57
    assert rests(courtesy, *[0.0] * 60) == [REST_S] * 3 + [0.0] * 57


def test_little_news_after_a_rest_is_no_burst() -> None:
    """Deliveries can keep up, and what the rest has piled up goes first. Then it is judged anew."""
    courtesy = Throttle()
    assert rests(courtesy, *[LONG_S] * 4)[-1] == REST_S
    waits = [LONG_S] * HURRY
    assert rests(courtesy, *waits, came=BURST - 1) == [0.0] * (HURRY - 1) + [REST_S]


def test_hurry_ends_with_the_work() -> None:
    """Who comes when all was done has the usual courtesy."""
    courtesy = Throttle()
    rests(courtesy, *[LONG_S] * 4)
    assert rests(courtesy, *[LONG_S] * 9, came=1) == [0.0] * 9
    assert rests(courtesy, *[LONG_S] * 9, came=0, due_s=1.0) == [0.0] * 9
    assert rests(courtesy, LONG_S, came=0) == [0.0]
    assert rests(courtesy, LONG_S) == [REST_S]


def test_who_has_nothing_to_do_does_not_rest() -> None:
    """Whoever comes next would wait for it."""
    courtesy = Throttle()
    rests(courtesy, *[LONG_S] * 4)
    assert rests(courtesy, *[LONG_S] * 9, came=0) == [0.0] * 9


def test_what_is_overdue_gives_way_no_more_until_all_is_done() -> None:
    """This is no burst any more. Who only did what is overdue would stay as far behind."""
    courtesy = Throttle()
    assert rests(courtesy, *[LONG_S] * 9, due_s=OVERDUE_S)[-1] == REST_S
    assert rests(courtesy, LONG_S, due_s=OVERDUE_S + 1) == [0.0]
    assert rests(courtesy, LONG_S, due_s=1.0) == [0.0]
    assert rests(courtesy, LONG_S, LONG_S, due_s=0.0) == [REST_S] * 2
