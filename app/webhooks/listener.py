"""A small receiver of webhooks, for `flask webhook listen`: it verifies, and says what came.

It does what every receiver should do: verify the signature before anything else, answer quickly,
and do nothing twice for the id of an event that has come before.
"""

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from app.system.bounded_cache import BoundedCache

HOST = "127.0.0.1"
BODY_MAX_BYTES = 4 * 1024 * 1024
REQUEST_TIMEOUT_S = 5.0
"""The time-out of each read; one request is served at a time."""


class Listener(HTTPServer):
    """Receives webhooks at a port of this machine, and passes one line for each to `report`."""

    def __init__(self, port: int, secret: str, report: Callable[[str], None]) -> None:
        """Raises OSError when the port is taken, ValueError when the secret is not base64."""
        self._webhook = Webhook(secret)
        self._seen: BoundedCache[str, None] = BoundedCache()
        self._report = report
        super().__init__((HOST, port), _Handler)

    @property
    def url(self) -> str:
        """The URL to register."""
        return f"http://{HOST}:{self.server_address[1]}/"

    def receive(self, headers: dict[str, str], body: bytes) -> int:
        """Report a webhook; return the status to respond with."""
        try:
            event = self._webhook.verify(body, headers)
        except (WebhookVerificationError, ValueError):
            self._report("refused: the signature is not valid, or older than five minutes")
            return 401
        event_id = headers["webhook-id"]
        if event_id in self._seen:
            self._report(f"again:   {event_id} has come before, so nothing is done")
            return 200
        self._seen[event_id] = None
        self._report(f"event:   {describe(event)}  [{event_id}]")
        return 200


def describe(event: dict[str, Any]) -> str:
    """One line about an event: its type, what it is about, and the most useful of its data."""
    data = event["data"]
    about = [event["subject"]]
    if order := data.get("order"):
        about = [
            f"order {order['number']}",
            order["customer_name"],
            f"{order['total_amount']} {order['currency']}",
            f"{order['status']}, payment {order['payment_status']}",
        ]
    elif product := data.get("product"):
        about = [product["sku"], product["name"], f"{product['available']} available"]
    return "  ".join([f"{event['type']:18}", *about])


class _Handler(BaseHTTPRequestHandler):
    server: Listener
    timeout = REQUEST_TIMEOUT_S

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > BODY_MAX_BYTES:
            self._respond(413)
            return
        headers = {name.lower(): text for name, text in self.headers.items()}
        self._respond(self.server.receive(headers, self.rfile.read(int(length))))

    def _respond(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Log nothing: `report` is told what came."""
