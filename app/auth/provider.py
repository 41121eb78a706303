"""The interface of an identity provider, by which people sign in; oidc.py implements it."""

from collections.abc import Mapping
from typing import Protocol

from app.kernel.identity import Identity


class IdentityProvider(Protocol):
    """Another system that authenticates people, as the sign-in pages use it."""

    @property
    def issuer(self) -> str:
        """The provider's identifier, stored in sessions."""

    def authorization_url(self, secret: str, redirect_uri: str) -> str:
        """The provider's page for a browser that keeps `secret` in a cookie. Raises Unavailable."""

    def handle_callback(
        self, secret: str, redirect_uri: str, parameters: Mapping[str, str]
    ) -> Identity:
        """The person whom the provider sent back to `redirect_uri` with these query parameters.

        Raises Unauthenticated when the parameters or the ID token are not valid for `secret`,
        Forbidden for a person without a role here, Unavailable when the provider does not respond.
        """
