"""A provider of OpenID Connect, for tests: a process of its own that lets everybody in.

    python -m tests.auth.provider_process [BACK]

It prints its address, then serves until it is killed; BACK is where it sends people back to.

It holds to the standards where a client could get by with less (a code is good once, for one
client, one address and one PKCE verifier), and misbehaves on demand: what is POSTed to /next as
JSON changes the next answers, and {} ends that.

    claims    claims of the ID token, over the usual ones; null takes one out
    sign      how it is signed: usual, none, hmac (by the client's secret), stranger (another key)
    userinfo  claims of the userinfo endpoint, over the subject alone
    query     parameters of the way back to the shop, over the usual ones; null takes one out
    token     what the token endpoint answers, instead of tokens
"""

import base64
import hashlib
import json
import secrets
import sys
from time import time
from typing import Any
from urllib.parse import urlencode

from flask import Flask, Response, jsonify, redirect, request
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from werkzeug.serving import make_server

CLIENT_ID, CLIENT_SECRET = "daybook", "a secret/of the+client"
BACK = "http://localhost/sign-in/back"

Json = dict[str, Any]


def provider(issuer: str, back: str) -> Flask:
    """The provider as a WSGI application."""
    app = Flask(__name__)
    key = RSAKey.generate_key(2048, {"kid": "today", "use": "sig"})
    stranger = RSAKey.generate_key(2048, {"kid": "today", "use": "sig"})
    codes: dict[str, Json] = {}
    access_tokens: set[str] = set()
    wanted: Json = {}

    @app.post("/next")
    def change() -> Response:
        wanted.clear()
        wanted.update(request.get_json())
        return jsonify(wanted)

    @app.get("/.well-known/openid-configuration")
    def describe() -> Response:
        places = {
            "authorization_endpoint": "authorize",
            "token_endpoint": "token",
            "jwks_uri": "keys",
            "userinfo_endpoint": "userinfo",
        }
        return jsonify(
            {"issuer": issuer} | {name: f"{issuer}/{place}" for name, place in places.items()}
        )

    @app.get("/keys")
    def keys() -> Response:
        return jsonify({"keys": [key.as_dict(private=False)]})

    @app.get("/authorize")
    def authorize() -> Any:
        asked = request.args
        assert asked["response_type"] == "code" and "openid" in asked["scope"].split()
        assert asked["client_id"] == CLIENT_ID and asked["redirect_uri"] == back
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        codes[code] = {"challenge": asked["code_challenge"], "nonce": asked["nonce"]}
        usual = {"code": code, "state": asked["state"], "iss": issuer}
        return redirect(f"{back}?{urlencode(_over(usual, wanted.get('query', {})))}")

    @app.post("/token")
    def token() -> Any:
        if "token" in wanted:
            return jsonify(wanted["token"]), 400 if "error" in wanted["token"] else 200
        shown = request.authorization
        begun = codes.pop(request.form["code"], None)
        digest = hashlib.sha256(request.form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        is_sound = (
            shown is not None
            and (shown.username, shown.password) == (CLIENT_ID, CLIENT_SECRET)
            and begun is not None
            and begun["challenge"] == challenge
            and request.form["redirect_uri"] == back
        )
        if not is_sound or begun is None:
            return jsonify({"error": "invalid_grant"}), 400
        access_token = secrets.token_urlsafe(16)
        access_tokens.add(access_token)
        return jsonify(
            {
                "access_token": access_token,
                "token_type": "Bearer",
                "id_token": id_token(begun["nonce"]),
            }
        )

    @app.get("/userinfo")
    def userinfo() -> Any:
        shown = request.authorization
        if shown is None or shown.type != "bearer" or shown.token not in access_tokens:
            return jsonify({"error": "invalid_token"}), 401
        claims = wanted.get("userinfo", {})
        return jsonify(_over({"sub": "4711"}, claims) if isinstance(claims, dict) else claims)

    def id_token(nonce: str) -> str:
        now = int(time())
        usual: Json = {"iss": issuer, "aud": CLIENT_ID, "sub": "4711", "nonce": nonce}
        usual |= {"iat": now, "exp": now + 300, "preferred_username": "grace", "roles": ["owners"]}
        claims = _over(usual, wanted.get("claims", {}))
        header = {"alg": "RS256", "kid": "today"}
        match wanted.get("sign", "usual"):
            case "none":
                return f"{_coded({'alg': 'none'})}.{_coded(claims)}."
            case "hmac":
                by = OctKey.import_key(CLIENT_SECRET)
                return jwt.encode({"alg": "HS256"}, claims, by, algorithms=["HS256"])
            case "stranger":
                return jwt.encode(header, claims, stranger)
            case "cut":
                return jwt.encode(header, claims, key)[:-8]
            case _:
                return jwt.encode(header, claims, key)

    return app


def _over(usual: Json, changes: Json) -> Json:
    return {name: value for name, value in (usual | changes).items() if value is not None}


def _coded(part: Json) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def main() -> None:
    """Serve on a free port."""
    server = make_server("127.0.0.1", 0, lambda *_: [], threaded=True)
    issuer = f"http://127.0.0.1:{server.port}"
    server.app = provider(issuer, next(iter(sys.argv[1:]), BACK))
    sys.stdout.write(f"{issuer}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
