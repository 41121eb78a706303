"""What was asked for lately, kept at hand: who asks for something mostly asks for it again."""

from typing import TypeVar

MOST = 4096

Key = TypeVar("Key")
Value = TypeVar("Value")


class BoundedCache(dict[Key, Value]):
    """At most MOST entries. When it is full it begins anew, which is simpler than an order of age.

    Whoever keeps something here has to keep it up to date, or keeps what never changes.
    """

    def keep(self, key: Key, value: Value) -> None:
        """Have `value` at hand."""
        if len(self) >= MOST:
            self.clear()
        self[key] = value
