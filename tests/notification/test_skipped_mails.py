"""Events about which no mail is ever sent, whoever would get it."""

from pathlib import Path

import pytest

from app.notification.handlers import Notifier
from app.notification.maildir import Maildir
from tests.notification.conftest import event


@pytest.fixture
def notifier(tmp_path: Path) -> Notifier:
    """A notifier that sends one kind of mail only."""
    return Notifier(Maildir(tmp_path / "mail"), "shop@localhost", enabled={"placed"})


def test_a_mail_that_the_settings_do_not_name_is_skipped(notifier: Notifier) -> None:
    """The reason names the setting and the mail."""
    assert notifier.skips(event("order.updated")) == (
        "no mail: DAYBOOK_MAILS does not name changed"
    )


def test_an_event_with_a_mail_is_not_skipped_for_its_recipient(notifier: Notifier) -> None:
    """The address of an order may be corrected until the mail's turn comes."""
    placed = event()
    placed.data["order"]["customer_email"] = None
    assert notifier.skips(placed) == ""
