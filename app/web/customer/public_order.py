"""Limits of what strangers order by the shop's form: in a day, and at once.

Each order has goods set aside and sends mails to whatever address it names. So the orders and the
pieces of a network count, and the orders for a recipient. Callers with a key or a session are not
limited.
"""

from app.config import Config
from app.http.security import quotas
from app.http.security.identity import current
from app.http.security.network import network_of
from app.http.security.quotas import MAX_WINDOW_S, Quota
from app.kernel.email_address import mail_address
from app.kernel.errors import Invalid, Problem
from app.kernel.identity import PUBLIC
from app.store import Document, Transaction

MAX_ORDERS_PER_RECIPIENT = 10
"""Orders for one e-mail address in a day, each of which sends it about three mails."""

_OTHERWISE = "try again tomorrow, or write to the shop or call it."


def refuse_large_order(config: Config, order: Document) -> None:
    """Raise Invalid when a stranger's order has more pieces than a network may order in a day."""
    if current() is PUBLIC and _pieces(order) > config.public_pieces:
        rule = f"must not have more than {config.public_pieces} pieces; write to the shop, or call"
        raise Invalid([Problem("/items", f"{rule} it, for more")])


def count_order(tx: Transaction, config: Config, order: Document, address: str) -> None:
    """Count a stranger's order from `address`. Raises TooMany when it exceeds a quota."""
    if current() is not PUBLIC:
        return
    many = f"Too much was ordered from your internet connection within a day; {_OTHERWISE}"
    network = network_of(address)
    quotas.count(tx, Quota("orders of network", config.public_orders, MAX_WINDOW_S, many), network)
    pieces = Quota("pieces of network", config.public_pieces, MAX_WINDOW_S, many)
    quotas.count(tx, pieces, network, _pieces(order))
    if email := order.get("customer_email"):
        quotas.count(tx, _BY_RECIPIENT, mailbox(email))


def mailbox(email: str) -> str:
    """The mailbox that most providers deliver mail for this address to.

    Case, and what follows a plus sign (RFC 5233), make no difference, nor do dots at some.
    """
    local, _, domain = mail_address(email).casefold().rpartition("@")
    return f"{local.partition('+')[0].replace('.', '')}@{domain}"


_BY_RECIPIENT = Quota(
    "orders for recipient",
    MAX_ORDERS_PER_RECIPIENT,
    MAX_WINDOW_S,
    f"There were too many orders for this e-mail address within a day; leave it out, {_OTHERWISE}",
)


def _pieces(order: Document) -> int:
    return sum(line["quantity"] for line in order["items"])
