"""DAYBOOK_* variables: what is wrong with one is said before anything is opened."""

import pytest

from app.config import from_environment
from app.kernel.errors import Invalid


@pytest.mark.parametrize(
    "sender", ["Daybook <shop@localhost>", "shop@example.org", "Caf\u00e9 <a@example.org>"]
)
def test_a_sender_is_taken_as_it_is(sender: str) -> None:
    assert from_environment({"DAYBOOK_MAIL_FROM": sender}).mail_from == sender


@pytest.mark.parametrize(
    "sender",
    [
        "me",
        "a@example.org, b@example.org",
        "Foo <bar",
        "Daybook <shop@shop>",
        "<a@example.org> x",
        "all: a@example.org;",
        "A <a b@example.org>",
    ],
)
def test_a_sender_that_is_no_address_is_refused(sender: str) -> None:
    """Better now than with the first mail."""
    with pytest.raises(Invalid, match="DAYBOOK_MAIL_FROM: must be an e-mail address"):
        from_environment({"DAYBOOK_MAIL_FROM": sender})


@pytest.mark.parametrize("code", ["EUZ", "eur", "XXX", "XAU", "CLF", ""])
def test_a_currency_is_one_that_exists(code: str) -> None:
    """And that one can sell in: no metal, no testing code, no unit of account."""
    with pytest.raises(Invalid, match="DAYBOOK_CURRENCY: must be the code of a currency"):
        from_environment({"DAYBOOK_CURRENCY": code})


def test_a_currency_of_today_is_taken() -> None:
    assert from_environment({"DAYBOOK_CURRENCY": "SLE"}).currency.digits == 2
