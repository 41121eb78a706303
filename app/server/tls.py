"""Checks the certificate and the key for TLS before the server starts.

Without this check each worker would fail by itself, with a traceback.
"""

import ssl

from app.config import Config
from app.kernel.errors import Unavailable
from app.system.os_errors import cause_of

CERTIFICATE, KEY = "DAYBOOK_TLS_CERT", "DAYBOOK_TLS_KEY"


def refuse_unusable(config: Config) -> None:
    """Raise Unavailable when the settings for TLS cannot be used. Without TLS, do nothing."""
    if config.tls_cert is None and config.tls_key is None:
        return
    if config.tls_cert is None or config.tls_key is None:
        raise Unavailable(f"Set {CERTIFICATE} and {KEY} both, or none of them.")
    for variable, path in ((CERTIFICATE, config.tls_cert), (KEY, config.tls_key)):
        try:
            path.read_bytes()
        except OSError as error:
            raise Unavailable(f"{variable}: {path} cannot be read ({cause_of(error)}).") from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(config.tls_cert, config.tls_key, password=lambda: b"")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            reason = f"The key of {KEY} does not belong to the certificate of {CERTIFICATE}."
        else:
            reason = (
                f"{CERTIFICATE} and {KEY} must name files in PEM: the certificate with those that "
                "lead to its authority, and its private key without a password."
            )
        raise Unavailable(reason) from None
