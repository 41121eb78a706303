"""The mail transport protocol: what each transport takes, and what it raises."""

from typing import NamedTuple, Protocol

from app.kernel.errors import DaybookError


class Mail(NamedTuple):
    """A mail ready to be sent.

    `name` (letters, digits, dots, dashes) is the same whenever the mail is the same. `sender` and
    `recipient` are bare addresses. `data` is the whole message (RFC 5322) with LF line ends.
    """

    name: str
    sender: str
    recipient: str
    data: bytes


class Refused(DaybookError):
    """The mail is refused for good: retries cannot help, so it goes to failure.json."""


class Transport(Protocol):
    """Delivers mails. Safe for threads."""

    def send(self, mail: Mail) -> None:
        """Deliver. Raises Unavailable or OSError when a retry may help, Refused when it cannot."""
