"""The store's observer: callbacks with counts and durations, for metrics.

An observer is called in the thread that did the work, sometimes under a lock: it must neither
block nor raise. It is given no documents.
"""

from typing import Protocol


class Observer(Protocol):
    """Is called after each piece of work that succeeded. Times are in seconds."""

    def wrote(self, transactions: int) -> None:
        """A batch of so many transactions was written to the log as one line."""

    def synced(self, took_s: float) -> None:
        """The log was synced."""

    def committed(self, waited_s: float) -> None:
        """A transaction is durable, so many seconds after its block ended."""

    def checkpointed(self, took_s: float) -> None:
        """The readable files were brought up to date."""

    def fell_behind(self) -> None:
        """The readable files could not be brought up to date."""

    def waited_for_connection(self, waited_s: float) -> None:
        """A wait for a connection of the pool ended, with one or without."""


class NullObserver:
    """An observer that does nothing."""

    def wrote(self, transactions: int) -> None: ...
    def synced(self, took_s: float) -> None: ...
    def committed(self, waited_s: float) -> None: ...
    def checkpointed(self, took_s: float) -> None: ...
    def fell_behind(self) -> None: ...
    def waited_for_connection(self, waited_s: float) -> None: ...


NULL_OBSERVER = NullObserver()
