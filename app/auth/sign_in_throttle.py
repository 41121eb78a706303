"""Throttle of sign-in attempts, by user name and by address, for all processes together.

An attempt is counted in the store before its password is verified, or the provider is asked, so
concurrent ones count too. Over a limit nothing is written, no hash is computed and nobody is asked.
The limit of a name protects one password from guessing; that of an address, which many people may
share behind a router, protects many names.
A known device (devices.py) has a limit of its own instead, so that strangers cannot lock it out.
"""

from app.http.security import quotas
from app.http.security.network import network_of
from app.http.security.quotas import Quota
from app.store import Transaction

WINDOW_S = 900.0
MAX_ATTEMPTS_PER_NAME = 10
"""Attempts in WINDOW_S from all unknown devices together, and from each known one."""
MAX_ATTEMPTS_PER_ADDRESS = 100

_REFUSAL = "There were too many attempts to sign in; wait before you try again."
_BY_NAME = Quota("name", MAX_ATTEMPTS_PER_NAME, WINDOW_S, _REFUSAL)
_BY_DEVICE = Quota("device", MAX_ATTEMPTS_PER_NAME, WINDOW_S, _REFUSAL)
_BY_ADDRESS = Quota("address", MAX_ATTEMPTS_PER_ADDRESS, WINDOW_S, _REFUSAL)


def count_attempt(tx: Transaction, name: str, address: str, device: str = "") -> None:
    """Count an attempt of `name` from `address`. Raises TooMany when it exceeds a limit.

    `device` is the id of a device that this user is known by; then only its attempts count.
    """
    if device:
        quotas.count(tx, _BY_DEVICE, device)
        return
    quotas.count(tx, _BY_NAME, name)
    count_address(tx, address)


def record_success(tx: Transaction, name: str, address: str, device: str = "") -> None:
    """Reset the count of the name, and take the successful attempt off that of the address.

    For a known device, reset its own count only: the others are those of strangers.
    """
    if device:
        quotas.reset(tx, _BY_DEVICE, device)
        return
    quotas.reset(tx, _BY_NAME, name)
    uncount_address(tx, address)


def count_address(tx: Transaction, address: str) -> None:
    """Count an attempt, or a provider's callback. Raises TooMany when it exceeds the limit."""
    quotas.count(tx, _BY_ADDRESS, network_of(address))


def uncount_address(tx: Transaction, address: str) -> None:
    """Take an attempt that succeeded off the count of its address."""
    quotas.take_back(tx, _BY_ADDRESS, network_of(address))
