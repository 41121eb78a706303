"""TLS that the server speaks itself: what is wrong with its certificate is said at the start.

The server would find out as well, but each worker for itself, and with a traceback.
"""

import ssl
from pathlib import Path

from app.config import Config
from app.kernel.errors import Unavailable

CERTIFICATE, KEY = "DAYBOOK_TLS_CERT", "DAYBOOK_TLS_KEY"


def refuse_unusable(config: Config) -> None:
    """Raise Unavailable when what is set for TLS cannot be used. Nothing happens without TLS."""
    if config.tls_cert is None and config.tls_key is None:
        return
    if config.tls_cert is None or config.tls_key is None:
        raise Unavailable(f"Set {CERTIFICATE} and {KEY} both, or none of them.")
    for variable, path in ((CERTIFICATE, config.tls_cert), (KEY, config.tls_key)):
        _refuse_unreadable(variable, path)
    _refuse_mismatched(config.tls_cert, config.tls_key)


def _refuse_unreadable(variable: str, path: Path) -> None:
    try:
        path.read_bytes()
    except OSError as error:
        raise Unavailable(f"{variable}: {path} cannot be read ({error.strerror}).") from None


def _refuse_mismatched(certificate: Path, key: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key, password=lambda: b"")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            told = f"The key of {KEY} does not belong to the certificate of {CERTIFICATE}."
        else:
            told = (
                f"{CERTIFICATE} and {KEY} must name files in PEM: the certificate with those that "
                "lead to its authority, and its private key without a password."
            )
        raise Unavailable(told) from None
