"""What the store tells whoever watches it: figures, and no documents.

An observer is called in the thread that did the work, sometimes under a lock: it counts, and
neither waits nor raises.
"""

from typing import Protocol


class Observer(Protocol):
    """Hears of each piece of work when it has succeeded. Times are in seconds."""

    def wrote(self, transactions: int) -> None:
        """So many transactions were written to the journal as one line."""

    def synced(self, took_s: float) -> None:
        """The journal was synced."""

    def committed(self, waited_s: float) -> None:
        """A transaction of this thread is durable; so long after its block ended."""

    def checkpointed(self, took_s: float) -> None:
        """The readable files were brought up to date."""

    def fell_behind(self) -> None:
        """The readable files could not be brought up to date."""


class NullObserver:
    """The observer of a store that nobody watches."""

    def wrote(self, transactions: int) -> None:
        """See Observer.wrote."""

    def synced(self, took_s: float) -> None:
        """See Observer.synced."""

    def committed(self, waited_s: float) -> None:
        """See Observer.committed."""

    def checkpointed(self, took_s: float) -> None:
        """See Observer.checkpointed."""

    def fell_behind(self) -> None:
        """See Observer.fell_behind."""


NULL_OBSERVER = NullObserver()
