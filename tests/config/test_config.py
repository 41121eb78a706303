"""DAYBOOK_* variables: a wrong one is refused before anything is opened."""

import pytest

from app.config import from_environment
from app.kernel.errors import Invalid


@pytest.mark.parametrize(
    "sender", ["Daybook <shop@localhost>", "shop@example.org", "Caf\u00e9 <a@example.org>"]
)
def test_a_valid_sender_is_accepted_unchanged(sender: str) -> None:
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
def test_an_invalid_sender_is_refused(sender: str) -> None:
    """The error comes at the start, and not with the first mail."""
    with pytest.raises(Invalid, match="DAYBOOK_MAIL_FROM: must be an e-mail address"):
        from_environment({"DAYBOOK_MAIL_FROM": sender})


@pytest.mark.parametrize("code", ["EUZ", "eur", "XXX", "XAU", "CLF", ""])
def test_a_currency_that_nobody_pays_with_is_refused(code: str) -> None:
    """Unknown codes, metals, test codes and units of account are refused."""
    with pytest.raises(Invalid, match="DAYBOOK_CURRENCY: must be the code of a currency"):
        from_environment({"DAYBOOK_CURRENCY": code})


def test_a_recent_currency_is_accepted() -> None:
    assert from_environment({"DAYBOOK_CURRENCY": "SLE"}).currency.digits == 2


@pytest.mark.parametrize("name", ["URL", "OIDC_ISSUER", "OTLP_ENDPOINT", "SMTP_URL", "STORE"])
def test_a_refused_address_with_a_password_is_not_repeated(name: str) -> None:
    with pytest.raises(Invalid, match=f"DAYBOOK_{name}: must be") as refusal:
        from_environment({f"DAYBOOK_{name}": "ftp://ada:hunter2@host:99999"})
    assert "hunter2" not in str(refusal.value)


def test_a_refused_text_is_repeated() -> None:
    with pytest.raises(Invalid, match="not 'nowhere'"):
        from_environment({"DAYBOOK_URL": "nowhere"})
