"""A provider: another system that says who somebody is. oidc.py is the one there is."""

from collections.abc import Mapping
from typing import Protocol

from app.kernel.identity import Identity


class Provider(Protocol):
    """What the door has to know of it."""

    @property
    def issuer(self) -> str:
        """By which sessions name it."""

    def question(self, secret: str, redirect_uri: str) -> str:
        """Where to send the browser that keeps `secret`. Raises Unavailable."""

    def answered(self, secret: str, redirect_uri: str, answer: Mapping[str, str]) -> Identity:
        """Who the browser that keeps `secret` brings back, by the provider's `answer`.

        Raises Unauthenticated when anything about it is not right, Forbidden for a person who has
        no role here, and Unavailable when the provider cannot be asked.
        """
