"""Sign-in with an OpenID Connect provider: Entra ID, Cognito, Keycloak and the like.

The authorization code flow (OpenID Connect Core 1.0, 3.1) with PKCE (RFC 7636), state and nonce, by
Authlib. State, nonce and PKCE verifier are derived from one secret in a cookie of the browser, so a
stolen code, or one that another browser is made to bring, is useless. The secret is signed, with
its time, under the client secret: nobody can invent one, and nothing is stored before a person is
authenticated.
"""

import hashlib
import hmac
import logging
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic
from typing import Any, cast

from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from itsdangerous import BadSignature, TimestampSigner
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, KeySetSerialization
from requests import RequestException, Session

from app.auth.claims import find_role, name_from
from app.http.security.derived_secret import derived_secret
from app.kernel.errors import Forbidden, Unauthenticated, Unavailable
from app.kernel.identity import Identity, person_identity
from app.system.bulkhead import Bulkhead

ALGORITHMS = ["RS256", "PS256", "ES256"]
"""Signatures with the provider's private key; neither `none`, nor HS256 with the client secret."""

TIMEOUT_S = 5.0
LEEWAY_S = 60
MAX_SUBJECT_LENGTH = 255
"""Of the claim `sub`, which must be a text (OpenID Connect Core 1.0, 2)."""
METADATA_MAX_AGE_S = 3600.0
METADATA_RETRY_S = 10.0
"""The least time between two requests for metadata; a provider that hangs takes TIMEOUT_S of it."""

_CONVERSATIONS_AT_ONCE = 4

log = logging.getLogger(__name__)

Json = dict[str, Any]


@dataclass(frozen=True)
class Registration:
    """The registration of this shop as a client; `roles` is the role by value of the claim."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    role_claim: str = "roles"
    roles: Mapping[str, str] = field(default_factory=dict)


class OidcProvider:
    """An OpenID Connect provider, by which people sign in."""

    SIGN_IN_MAX_S = 600
    """The time that a person has at the provider's page."""

    def __init__(self, registration: Registration) -> None:
        self._registration = registration
        self._signer = TimestampSigner(
            registration.client_secret,
            salt="sign-in",
            sep=":",
            key_derivation="hmac",
            digest_method=hashlib.sha256,
        )
        self._conversations = Bulkhead(
            _CONVERSATIONS_AT_ONCE, "Too many people are signing in at this moment; try again."
        )
        self._metadata_lock = Lock()
        self._metadata: Json = {}
        self._metadata_read_at = 0.0
        self._metadata_retry_at = 0.0

    @property
    def issuer(self) -> str:
        """The provider's identifier, stored in sessions."""
        return self._registration.issuer

    def new_secret(self) -> str:
        """A secret for the cookie of one browser, 256 random bits, signed with the time."""
        return self._signer.sign(secrets.token_urlsafe(32)).decode()

    def authorization_url(self, secret: str, redirect_uri: str) -> str:
        """The provider's page for a browser that keeps `secret` in a cookie. Raises Unavailable."""
        with self._client() as client:
            url, _ = client.create_authorization_url(
                self._provider_metadata()["authorization_endpoint"],
                redirect_uri=redirect_uri,
                state=derived_secret(secret, "state"),
                nonce=derived_secret(secret, "nonce"),
                code_verifier=derived_secret(secret, "verifier"),
            )
        return str(url)

    def authorization_code(self, secret: str, parameters: Mapping[str, str]) -> str:
        """The code in the query parameters of a callback; the provider is not asked.

        Raises Unauthenticated unless `secret` is one of this shop, not older than SIGN_IN_MAX_S,
        and the parameters are a provider's consent to the request made with it.
        """
        try:
            self._signer.unsign(secret, max_age=self.SIGN_IN_MAX_S)
        except BadSignature as error:
            raise _refused(f"{type(error).__name__} of the cookie") from None
        state = parameters.get("state", "").encode("utf-8", "replace")
        if not hmac.compare_digest(state, derived_secret(secret, "state").encode()):
            raise _refused("the state is not that of this browser")
        if parameters.get("iss", self.issuer) != self.issuer:  # RFC 9207
            raise _refused("the response is from another issuer")
        if "code" not in parameters:
            raise _refused(f"the provider reports {parameters.get('error', 'no error')[:60]!r}")
        return parameters["code"]

    def fetch_identity(self, secret: str, redirect_uri: str, code: str) -> Identity:
        """The person for whom the provider issued `code`, which is sent to the provider.

        The userinfo endpoint is asked when the ID token gives no role.
        Raises Unauthenticated when the code or the ID token is not valid for `secret`,
        Forbidden for a person without a role here, Unavailable when the provider does not respond.
        """
        with self._client() as client:
            claims = self._claims(client, secret, redirect_uri, code)
            role = self._role(claims)
            if role is None and "userinfo_endpoint" in self._provider_metadata():
                userinfo = self._userinfo(client, claims["sub"])
                claims, role = userinfo | claims, self._role(userinfo)
        name = name_from(claims)
        if role is None:
            raise Forbidden(
                f"The identity provider gives {name} no role in this shop; its administrator can "
                "give you one."
            )
        return person_identity(self.issuer, claims["sub"], name, role)

    def _role(self, claims: Json) -> str | None:
        return find_role(claims, self._registration.role_claim, self._registration.roles)

    def _claims(self, client: OAuth2Session, secret: str, redirect_uri: str, code: str) -> Json:
        """The claims of the validated ID token (OpenID Connect Core 1.0, 3.1.3.7)."""
        metadata = self._provider_metadata()
        token = client.fetch_token(
            metadata["token_endpoint"],
            code=code,
            redirect_uri=redirect_uri,
            code_verifier=derived_secret(secret, "verifier"),
        )
        key_set = _get_json(client, metadata["jwks_uri"])
        keys = KeySet.import_key_set(cast(KeySetSerialization, key_set))
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
                "nonce": derived_secret(secret, "nonce"),
                "client_id": client_id,
                "access_token": token.get("access_token"),
            },
        ).validate(leeway=LEEWAY_S)
        sub = signed.claims["sub"]
        if not (isinstance(sub, str) and 0 < len(sub) <= MAX_SUBJECT_LENGTH):
            raise _refused("the subject is no text of the allowed length")
        return dict(signed.claims)

    def _userinfo(self, client: OAuth2Session, sub: str) -> Json:
        """The claims of the userinfo endpoint (OpenID Connect Core 1.0, 5.3); same subject."""
        claims = _get_json(client, self._provider_metadata()["userinfo_endpoint"])
        if claims.get("sub") != sub:
            raise _refused("userinfo is about another person")
        return claims

    def _provider_metadata(self) -> Json:
        """The provider's metadata, cached (OpenID Connect Discovery 1.0, 4)."""
        with self._metadata_lock:
            if self._metadata and monotonic() - self._metadata_read_at < METADATA_MAX_AGE_S:
                return self._metadata
            if monotonic() < self._metadata_retry_at:
                raise ValueError("the metadata could not be read a moment ago")
            self._metadata_retry_at = monotonic() + METADATA_RETRY_S
            url = f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"
            with Session() as session:
                metadata = _get_json(session, url)
            if metadata.get("issuer") != self.issuer:
                raise ValueError("the metadata names another issuer")
            self._metadata, self._metadata_read_at = metadata, monotonic()
            return metadata

    @contextmanager
    def _client(self) -> Iterator[OAuth2Session]:
        """An OAuth client of the provider; its errors become Unauthenticated or Unavailable."""
        with (
            self._conversations.slot(),
            _provider_errors(),
            OAuth2Session(
                self._registration.client_id,
                self._registration.client_secret,
                scope="openid profile email",
                code_challenge_method="S256",
                token_endpoint_auth_method=_token_auth_method(self._provider_metadata()),
                default_timeout=TIMEOUT_S,
            ) as client,
        ):
            yield client


@contextmanager
def _provider_errors() -> Iterator[None]:
    """Raise Unauthenticated for a provider's refusal, Unavailable for each other error of it."""
    try:
        yield
    except (AuthlibBaseError, JoseError) as error:
        raise _refused(f"{type(error).__name__}: {error}") from None
    except (RequestException, ValueError, KeyError, TypeError) as error:
        log.warning("the identity provider: %s: %s", type(error).__name__, error)
        raise Unavailable(
            "The identity provider does not respond as it should; try again."
        ) from None


def _token_auth_method(metadata: Json) -> str:
    """How to send the client secret: in a header unless the provider takes it only in the body."""
    methods = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    return "client_secret_basic" if "client_secret_basic" in methods else "client_secret_post"


def _get_json(session: Session, url: str) -> Json:
    response = session.get(
        url, timeout=TIMEOUT_S, allow_redirects=False, headers={"Accept": "application/json"}
    )
    response.raise_for_status()
    document = response.json()
    if not isinstance(document, dict):
        raise ValueError("a response is no JSON object")
    return document


def _refused(reason: str) -> Unauthenticated:
    log.warning("a sign-in by the identity provider was refused: %s", ascii(reason))
    return Unauthenticated("The identity provider's response was not accepted; sign in again.")
