"""Passwords, stored only as argon2id hashes (RFC 9106) with the defaults of argon2-cffi.

A hash takes 64 MiB and some hundredths of a second of all processors, so only a few are computed at
the same time, by threads of a low priority: guessing passwords must not delay orders.
"""

import secrets
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from app.kernel.errors import Invalid, Problem
from app.system.bulkhead import Bulkhead
from app.system.thread_priority import lower_priority

MIN_CHARACTERS = 12
MAX_CHARACTERS = 200
MIN_DISTINCT_CHARACTERS = 5
_MIN_NAME_CHARACTERS = 4
"""A shorter user name may occur in a password by chance."""

HASHES_AT_ONCE = 2

HASHING = Bulkhead(HASHES_AT_ONCE, "Too many people are signing in at this moment; try again.")

_hasher = PasswordHasher()
_threads = ThreadPoolExecutor(HASHES_AT_ONCE, "hashing", initializer=lower_priority)


def refuse_weak(password: str, name: str) -> None:
    """Raise Invalid when user `name` may not have this password: easy to guess, or untypable."""
    is_too_long = len(password) > MAX_CHARACTERS
    fault = _fault(password if is_too_long else _normalized(password), name)
    if fault:
        raise Invalid([Problem("", f"The password {fault}.")])


def hash_password(password: str) -> str:
    """The hash to store. Raises Unavailable when no slot for hashing is free in time."""
    with HASHING.slot():
        return _threads.submit(_hasher.hash, _normalized(password)).result()


def verify_password(password_hash: str | None, password: str) -> bool:
    """Whether `password` has this hash; False when the hash is None (an unknown user).

    It takes the same time for an unknown user, so that the time does not reveal which users exist.
    Raises Unavailable when no slot for hashing is free in time.
    """
    with HASHING.slot():
        is_right = _threads.submit(_is_right, password_hash, password[:MAX_CHARACTERS]).result()
    return is_right and password_hash is not None


def _is_right(password_hash: str | None, password: str) -> bool:
    try:
        return _hasher.verify(password_hash or _dummy_hash(), _normalized(password))
    except VerifyMismatchError:
        return False


def _fault(password: str, name: str) -> str:
    if not MIN_CHARACTERS <= len(password) <= MAX_CHARACTERS:
        return f"must have {MIN_CHARACTERS} to {MAX_CHARACTERS} characters"
    if not password.isprintable():
        return "must not have control characters or lone surrogates"
    if len(set(password)) < MIN_DISTINCT_CHARACTERS:
        return f"must have {MIN_DISTINCT_CHARACTERS} different characters or more"
    if len(name) >= _MIN_NAME_CHARACTERS and name in password.casefold():
        return "must not have the user's name in it"
    return ""


def _normalized(password: str) -> str:
    """NFKC (NIST 800-63B): keyboards send an accented letter as one or as two characters."""
    return unicodedata.normalize("NFKC", password.encode("utf-8", "replace").decode())


@cache
def _dummy_hash() -> str:
    """The hash of a random password, verified for unknown users."""
    return _hasher.hash(secrets.token_urlsafe(32))
