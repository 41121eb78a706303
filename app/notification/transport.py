"""How a mail leaves the house: what every transport takes, and what it raises."""

from typing import NamedTuple, Protocol

from app.kernel.errors import DaybookError


class Mail(NamedTuple):
    """A mail as it is sent.

    `name` (letters, digits, dots, dashes) is the same whenever it is the same mail. `sender` and
    `recipient` are bare addresses. `data` is the whole message (RFC 5322), its lines ended by LF.
    """

    name: str
    sender: str
    recipient: str
    data: bytes


class Refused(DaybookError):
    """The mail is refused for good: trying again cannot help, so it goes to failure.json."""


class Transport(Protocol):
    """Takes mails to where they are read. Safe for threads."""

    def send(self, mail: Mail) -> None:
        """Deliver. Raises Unavailable or OSError when that cannot be done now, Refused if never."""
