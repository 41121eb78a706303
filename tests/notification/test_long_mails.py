"""Mails about long orders."""

import pytest

from app.config.readers import MAILS
from app.notification.handlers import MAX_LINES, Notifier
from app.notification.transport import Mail
from tests.notification.conftest import TEA, event, parsed, text_of

CLIPPED_BYTES = 102_000
"""The size from which a widespread mail program clips a mail."""


class RecordingTransport:
    """A transport that records the mails it is given."""

    def __init__(self) -> None:
        self.sent: list[Mail] = []

    def send(self, mail: Mail) -> None:
        self.sent.append(mail)


LINES = [TEA | {"product": f"p{n}", "name": '"' * 190 + f" {n:04}"} for n in range(2000)]
SHORT = [{"product": line["product"], "backorder": True} for line in LINES]
RUNNING_OUT = [
    {"name": '"' * 190, "sku": f"{n:064}", "available": 1, "low_stock_threshold": 5}
    for n in range(2000)
]


@pytest.mark.parametrize(
    ("event_type", "data"),
    [
        ("order.placed", {}),
        ("order.updated", {}),
        ("inventory.backordered", {"short": SHORT}),
        ("product.low_stock_digest", {"products": RUNNING_OUT, "count": 2000}),
    ],
)
def test_a_mail_has_the_first_lines_and_counts_the_others(
    event_type: str, data: dict[str, object]
) -> None:
    """It stays below the size at which mail programs clip it, as text and as HTML."""
    transport = RecordingTransport()
    notifier = Notifier(transport, "shop@localhost", enabled=MAILS, manager="boss@localhost")
    order = event().data["order"] | {"items": LINES}
    notifier.on_event(event(event_type, {"order": order} | data))
    [mail] = transport.sent
    message = parsed(mail.data)
    for kind in ("plain", "html"):
        text = text_of(message, kind)
        assert f"and {2000 - MAX_LINES} more" in text
        assert len(text.encode()) < CLIPPED_BYTES


def test_a_short_mail_counts_nothing() -> None:
    """All of its lines are there."""
    transport = RecordingTransport()
    notifier = Notifier(transport, "shop@localhost", enabled=MAILS)
    order = event().data["order"] | {"items": LINES[:MAX_LINES]}
    notifier.on_event(event("order.placed", {"order": order}))
    text = text_of(parsed(transport.sent[0].data))
    assert all(f" {number:04}" in text for number in range(MAX_LINES))
    assert " more" not in text
