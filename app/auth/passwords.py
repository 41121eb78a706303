"""Passwords: kept as an argon2id hash (RFC 9106) with argon2-cffi's defaults, and nowhere else.

A hash takes 64 MiB and some hundredths of a second, so only a few are worked out at a time.
"""

import secrets
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from app.kernel.errors import Invalid, Problem, Unavailable

LEAST_CHARACTERS = 12
MOST_CHARACTERS = 200
LEAST_DIFFERENT = 5
_TELLING = 4
"""A shorter name stands in many a good password by chance."""

_AT_ONCE = 2
_PATIENCE_S = 5.0

_hasher = PasswordHasher()
_places = BoundedSemaphore(_AT_ONCE)


def refuse_weak(password: str, name: str) -> None:
    """Raise Invalid for a password of user `name` that is soon guessed, or cannot be typed."""
    fault = _fault(_normal(password), name)
    if fault:
        raise Invalid([Problem("", f"The password {fault}.")])


def hashed(password: str) -> str:
    """What is kept of a password. Raises Unavailable while too many are worked out."""
    with _place():
        return _hasher.hash(_normal(password))


def is_right(kept: str | None, password: str) -> bool:
    """Whether `password` is the one of which `kept` is the hash; never, when that is None.

    It takes the same time for a name that nobody has, so nobody learns which names there are.
    Raises Unavailable while too many passwords are worked out.
    """
    with _place():
        try:
            is_match = _hasher.verify(kept or _nobodys(), _normal(password)[:MOST_CHARACTERS])
        except VerifyMismatchError:
            return False
    return is_match and kept is not None


def _fault(password: str, name: str) -> str:
    if not LEAST_CHARACTERS <= len(password) <= MOST_CHARACTERS:
        return f"must have {LEAST_CHARACTERS} to {MOST_CHARACTERS} characters"
    if not password.isprintable():
        return "must not have control characters or half characters"
    if len(set(password)) < LEAST_DIFFERENT:
        return f"must have {LEAST_DIFFERENT} different characters or more"
    if len(name) >= _TELLING and name in password.casefold():
        return "must not have the user's name in it"
    return ""


def _normal(password: str) -> str:
    """The same for every keyboard: accents may be typed in one piece or in two (NIST 800-63B)."""
    return unicodedata.normalize("NFKC", password.encode("utf-8", "replace").decode())


@cache
def _nobodys() -> str:
    """The hash of a password that nobody has."""
    return _hasher.hash(secrets.token_urlsafe(32))


@contextmanager
def _place() -> Iterator[None]:
    if not _places.acquire(timeout=_PATIENCE_S):
        raise Unavailable("Too many people are signing in at this moment; try again.")
    try:
        yield
    finally:
        _places.release()
