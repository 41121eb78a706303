"""A file store that repeats each transaction, as another store does after a conflict."""

from collections.abc import Callable
from contextlib import suppress

from app.store import T, Transaction
from app.store.files.store import JsonFileStore


class RepeatingStore(JsonFileStore):
    """Runs the work of each transaction twice; the first run is undone."""

    def run_in_transaction(self, work: Callable[[Transaction], T], *, in_turn: bool = False) -> T:
        def conflict(tx: Transaction) -> None:
            work(tx)
            raise _Conflict

        with suppress(_Conflict):
            super().run_in_transaction(conflict)
        return super().run_in_transaction(work, in_turn=in_turn)


class _Conflict(Exception):
    """The run of a transaction met a conflict."""
