"""Sign-in with a provider that speaks OpenID Connect: Entra ID, Cognito, Keycloak and the like.

The authorization code flow (OpenID Connect Core 1.0, 3.1) with PKCE (RFC 7636), state and nonce, by
Authlib. All three are made from one secret in a cookie of the browser that began, so a code that
was caught elsewhere, or that somebody else's browser is made to bring, is worth nothing; and
nothing has to be written down before a person is known.
"""

import base64
import hashlib
import hmac
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import BoundedSemaphore
from time import monotonic
from typing import Any

from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, KeySetSerialization
from requests import RequestException, Session

from app.auth.claims import name_in, role_in
from app.kernel.errors import Unauthenticated, Unavailable
from app.kernel.identity import Identity

ALGORITHMS = ["RS256", "PS256", "ES256"]
"""Signatures by a key that only the provider has: neither `none`, nor HS256 with our own secret."""

TIMEOUT_S = 5.0
LEEWAY_S = 60
KNOWN_FOR_S = 3600.0
"""How long the provider's description of itself is believed, before it is asked for again."""

_AT_ONCE = 4

log = logging.getLogger(__name__)

Json = dict[str, Any]


@dataclass(frozen=True)
class Registration:
    """What shop and provider know of each other; `roles` is role by value of the claim."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    role_claim: str = "roles"
    roles: Mapping[str, str] = field(default_factory=dict)


class OidcProvider:
    """One provider, as one process knows it; see app.auth.provider.Provider."""

    def __init__(self, registration: Registration) -> None:
        self._registration = registration
        self._places = BoundedSemaphore(_AT_ONCE)
        self._metadata: Json = {}
        self._known_at = 0.0

    @property
    def issuer(self) -> str:
        """By which sessions name it."""
        return self._registration.issuer

    def question(self, secret: str, redirect_uri: str) -> str:
        """Where to send the browser that keeps `secret`. Raises Unavailable."""
        with self._asking() as session:
            address, _ = session.create_authorization_url(
                self._described()["authorization_endpoint"],
                redirect_uri=redirect_uri,
                state=_part(secret, "state"),
                nonce=_part(secret, "nonce"),
                code_verifier=_part(secret, "verifier"),
            )
        return str(address)

    def answered(self, secret: str, redirect_uri: str, answer: Mapping[str, str]) -> Identity:
        """Who the browser that keeps `secret` brings back, by the provider's `answer`.

        Raises Unauthenticated when anything about it is not right, Forbidden for a person who has
        no role here, and Unavailable when the provider cannot be asked.
        """
        given = answer.get("state", "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, _part(secret, "state").encode()):
            raise _refused("the state is not that of this browser")
        if answer.get("iss", self.issuer) != self.issuer:  # RFC 9207
            raise _refused("another provider answers")
        if "code" not in answer:
            raise _refused(f"the provider says {answer.get('error', 'nothing')[:60]!r}")
        with self._asking() as session:
            claims = self._claims(session, secret, redirect_uri, answer["code"])
        name = name_in(claims)
        return Identity(name, role_in(claims, name, self._registration))

    def _claims(self, session: OAuth2Session, secret: str, redirect_uri: str, code: str) -> Json:
        """What the ID token says, once it was checked (OpenID Connect Core 1.0, 3.1.3.7)."""
        token = session.fetch_token(
            self._described()["token_endpoint"],
            code=code,
            redirect_uri=redirect_uri,
            code_verifier=_part(secret, "verifier"),
        )
        described: KeySetSerialization = _read(session, self._described()["jwks_uri"])
        keys = KeySet.import_key_set(described)
        signed = jwt.decode(str(token["id_token"]), keys, algorithms=ALGORITHMS)
        client_id = self._registration.client_id
        CodeIDToken(
            signed.claims,
            signed.header,
            {
                "iss": {"essential": True, "value": self.issuer},
                "aud": {"essential": True, "value": client_id},
            },
            {
                "nonce": _part(secret, "nonce"),
                "client_id": client_id,
                "access_token": token.get("access_token"),
            },
        ).validate(leeway=LEEWAY_S)
        return dict(signed.claims)

    def _described(self) -> Json:
        """The provider's description of itself (OpenID Connect Discovery 1.0, 4)."""
        if not self._metadata or monotonic() - self._known_at > KNOWN_FOR_S:
            with Session() as session:
                place = f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"
                found = _read(session, place)
            if found.get("issuer") != self.issuer:
                raise ValueError("its description is of another issuer")
            self._metadata, self._known_at = found, monotonic()
        return self._metadata

    @contextmanager
    def _asking(self) -> Iterator[OAuth2Session]:
        """A connection to the provider; what goes wrong with it is told in our words."""
        if not self._places.acquire(timeout=TIMEOUT_S):
            raise Unavailable("Too many people are signing in at this moment; try again.")
        try:
            with self._session() as session:
                yield session
        except (AuthlibBaseError, JoseError) as error:
            raise _refused(f"{type(error).__name__}: {error}") from None
        except (RequestException, ValueError, KeyError, TypeError) as error:
            log.warning("the sign-in provider: %s: %s", type(error).__name__, error)
            raise Unavailable(
                "The provider that signs people in does not answer as it should; try again."
            ) from None
        finally:
            self._places.release()

    def _session(self) -> OAuth2Session:
        return OAuth2Session(
            self._registration.client_id,
            self._registration.client_secret,
            scope="openid profile email",
            code_challenge_method="S256",
            token_endpoint_auth_method=_way_in(self._described()),
            default_timeout=TIMEOUT_S,
        )


def _way_in(metadata: Json) -> str:
    """How this shop shows the provider its secret; a header where nothing else is said."""
    ways = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    return "client_secret_basic" if "client_secret_basic" in ways else "client_secret_post"


def _read(session: Session, address: str) -> Any:
    answer = session.get(
        address, timeout=TIMEOUT_S, allow_redirects=False, headers={"Accept": "application/json"}
    )
    answer.raise_for_status()
    return answer.json()


def _part(secret: str, use: str) -> str:
    """256 bits for one use; who learns them learns neither the secret nor the others."""
    digest = hmac.digest(secret.encode(), use.encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _refused(why: str) -> Unauthenticated:
    log.warning("a sign-in by the provider was refused: %s", ascii(why))
    return Unauthenticated("The provider's answer was not accepted; please sign in once more.")
