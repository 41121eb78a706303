"""UUIDv7 ids in the order of the transactions (RFC 9562), drawn from the database's clock.

Every transaction draws a number when it begins: the milliseconds since 1970, shifted by 12 bits, or
one more than the last number where the clock has not advanced that far. It is the first 60 bits of
the transaction's ids, besides version and variant. A transaction that saw another one commit drew
its number later, so its ids are greater.
"""

import secrets
import uuid

COUNTER_BITS = 12
"""Numbers in a millisecond: the field rand_a."""

STEP_BITS = 32
"""Two ids of one transaction are up to so far apart: they cannot be counted up."""

_RANDOM_BITS = 61
"""Bits of rand_b that are random at first; its highest bit leaves room to count up."""


def first_id(drawn: int) -> int:
    """Return the integer from which the ids of a transaction count up."""
    return _lowest(drawn) | secrets.randbits(_RANDOM_BITS)


def lowest_id(drawn: int) -> str:
    """Return the lowest id of the transaction that drew this number."""
    return str(uuid.UUID(int=_lowest(drawn)))


def drawn_of(issued: str) -> int:
    """Return the number that a transaction with this id drew."""
    bits = uuid.UUID(issued).int
    return (bits >> 80) << COUNTER_BITS | (bits >> 64) % (1 << COUNTER_BITS)


def _lowest(drawn: int) -> int:
    milliseconds, counter = divmod(drawn, 1 << COUNTER_BITS)
    return milliseconds << 80 | 7 << 76 | counter << 64 | 2 << 62
