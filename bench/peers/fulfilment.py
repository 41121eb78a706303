"""The work that follows a placed order, the same for each peer of the full flow.

Stock is reserved and the order confirmed; an invoice is made, the gateway charged, the payment
recorded and the order marked as paid; a mail goes into a folder. Gateway, mail text and mail folder
are Daybook's own, so they cost each peer what they cost Daybook. How a peer makes sure that all of
it happens is its own affair.

A handler may run again after a crash: what it has done already is not done twice.
"""

from collections import Counter
from decimal import Decimal
from pathlib import Path

from sqlalchemy import ForeignKey, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.billing.gateway import Charge, Response
from app.billing.simulator import Simulator
from app.events.types import Envelope, OrderPlaced
from app.kernel.payment_methods import APPROVE
from app.notification.handlers import Notifier
from app.notification.maildir import Maildir
from app.notification.transport import Mail
from bench.peers.documents import Document, timestamp
from bench.peers.sqlalchemy_tables import Base, Order, Product


class OutOfStock(Exception):
    """A line cannot be reserved; no run of the benchmark gets here."""


class Reservation(Base):
    __tablename__ = "reservations"
    order_number: Mapped[int] = mapped_column(ForeignKey("orders.number"), primary_key=True)
    sku: Mapped[str] = mapped_column(ForeignKey("products.sku"), primary_key=True)
    quantity: Mapped[int]


class Invoice(Base):
    __tablename__ = "invoices"
    invoice_number: Mapped[int] = mapped_column(primary_key=True)
    order_number: Mapped[int] = mapped_column(ForeignKey("orders.number"), unique=True)
    customer_name: Mapped[str]
    customer_email: Mapped[str | None]
    items: Mapped[list[Document]]
    currency: Mapped[str]
    total_amount: Mapped[Decimal]
    made_at: Mapped[str]


class Payment(Base):
    __tablename__ = "payments"
    reference: Mapped[str] = mapped_column(primary_key=True)
    order_number: Mapped[int] = mapped_column(ForeignKey("orders.number"), unique=True)
    amount: Mapped[Decimal]
    captured_at: Mapped[str]


class Outside:
    """The payment gateway and the mail folder, which no database transaction covers."""

    def __init__(self, folder: Path) -> None:
        self._gateway = Simulator(folder / "gateway")
        self._maildir = Maildir(folder / "mail")
        self._notifier = Notifier(self._maildir, "Daybook <shop@localhost>", enabled={"placed"})

    def charge(self, placed: Document) -> Response:
        """Charge the order's total; the key makes the gateway take it once."""
        total, currency = placed["total_amount"], placed["currency"]
        return self._gateway.submit(Charge(f"{placed['order_id']}-1", total, currency, APPROVE))

    def send_mails(self, orders: list[Document]) -> None:
        """Write the mails durably; they share a sync of the folder. Raises OSError."""
        self._maildir.send_all([self._compose(placed) for placed in orders])

    def _compose(self, placed: Document) -> Mail:
        order_id, time = placed["order_id"], placed["order_date"]
        data = {"order": placed}
        return self._notifier.compose(
            Envelope(order_id, "/orders", OrderPlaced.type, time, order_id, data)
        )


def reserve_stock(session: Session, placed: Document) -> None:
    """Reserve the order's lines and confirm the order. Raises OutOfStock."""
    order = _locked(session, placed)
    if order.status == "confirmed":
        return
    wanted = Counter[str]()
    for item in placed["items"]:
        wanted[item["product"]] += item["quantity"]
    for sku, quantity in sorted(wanted.items()):  # in one order, so that none waits in a circle
        _reserve(session, sku, quantity)
        session.add(Reservation(order_number=order.number, sku=sku, quantity=quantity))
    order.status = "confirmed"
    _note(order, "confirmed")


def bill(session: Session, placed: Document, response: Response) -> None:
    """Make the invoice, record the payment that the gateway answered, mark the order as paid."""
    order = _locked(session, placed)
    if order.payment_status == "paid":
        return
    total, now = Decimal(placed["total_amount"]), timestamp()
    session.add(
        Invoice(
            order_number=order.number,
            customer_name=placed["customer_name"],
            customer_email=placed["customer_email"],
            items=placed["items"],
            currency=placed["currency"],
            total_amount=total,
            made_at=now,
        )
    )
    session.add(
        Payment(
            reference=response.reference, order_number=order.number, amount=total, captured_at=now
        )
    )
    order.payment_status = "paid"
    _note(order, "payment paid")


def _locked(session: Session, placed: Document) -> Order:
    """Return the order, locked against other writers until the transaction ends."""
    query = select(Order).where(Order.number == placed["number"])
    return session.scalars(query.with_for_update()).one()


def _reserve(session: Session, sku: str, quantity: int) -> None:
    reserving = (
        update(Product)
        .where(Product.sku == sku, Product.quantity - Product.reserved >= quantity)
        .values(reserved=Product.reserved + quantity)
        .returning(Product.sku)
        .execution_options(synchronize_session=False)
    )
    if session.scalar(reserving) is None:
        raise OutOfStock(sku)


def _note(order: Order, event: str) -> None:
    now = timestamp()
    order.version += 1
    order.order_update = now
    order.history = [*order.history, {"at": now, "event": event, "detail": ""}]
