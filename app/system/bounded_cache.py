"""A lookup cache, cleared whole when it is full."""

from typing import TypeVar

MAX_ENTRIES = 4096

Key = TypeVar("Key")
Value = TypeVar("Value")


class BoundedCache(dict[Key, Value]):
    """A dict of at most MAX_ENTRIES; clearing it whole is simpler than evicting the oldest entry.

    Entries never expire: the owner stores what never changes, or replaces what has changed.
    """

    def __setitem__(self, key: Key, value: Value) -> None:
        if len(self) >= MAX_ENTRIES:
            self.clear()
        super().__setitem__(key, value)
