"""The first peer of the full flow: Flask, SQLAlchemy, SQLite, and an outbox relay of its own.

An order, its event and a delivery for each handler are one transaction (transactional outbox). The
relay is a process of its own: `python -m bench.peers.outbox_relay`. It takes the due deliveries in
batches. It asks the gateway and writes the mails first, then runs the handlers and marks their
deliveries in one transaction, so that a batch costs one sync. A handler that fails is rolled back
to its savepoint and tried again, ATTEMPTS times; an outage of the gateway or of the mail folder
ends the relay, which a supervisor would restart.

Writers, the relay included, queue on a file lock (see flask_sqlalchemy).
"""

import os
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import ForeignKey, Index, select, text, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship, sessionmaker

from app.billing.gateway import Response
from bench.peers.documents import Document, timestamp
from bench.peers.flask_sqlalchemy import add_to_outbox, order_service, write_lock, write_sessions
from bench.peers.fulfilment import OutOfStock, Outside, bill, reserve_stock
from bench.peers.sqlalchemy_tables import Base, OutboxEvent, open_sqlite

HANDLERS = ("inventory", "billing", "notification")
BATCH_DELIVERIES = 200
ATTEMPTS = 5
IDLE_WAIT_S = 0.01


class Delivery(Base):
    """An event to be handled by one handler; delivered_at is empty until it is."""

    __tablename__ = "deliveries"
    position: Mapped[int] = mapped_column(primary_key=True)
    event_position: Mapped[int] = mapped_column(ForeignKey("outbox.position"))
    handler: Mapped[str]
    attempts: Mapped[int] = mapped_column(default=0)
    delivered_at: Mapped[str | None]
    event: Mapped[OutboxEvent] = relationship(lazy="joined", innerjoin=True)
    __table_args__ = (Index("due", "position", sqlite_where=text("delivered_at IS NULL")),)


def create_app() -> Flask:
    """Return the service on the folder in PEER_DATA."""
    folder = Path(os.environ["PEER_DATA"])
    return order_service(open_sqlite(folder), add_deliveries, lock=partial(write_lock, folder))


def add_deliveries(session: Session, placed: Document) -> None:
    """Add the event and its deliveries to the session's transaction."""
    event = add_to_outbox(session, placed)
    session.add_all(Delivery(event=event, handler=handler) for handler in HANDLERS)


class Relay:
    """Delivers what is due in the folder's database."""

    def __init__(self, folder: Path) -> None:
        engine = open_sqlite(folder)
        self._reading, self._writing = sessionmaker(engine), write_sessions(engine)
        self._lock = partial(write_lock, folder)
        self._outside = Outside(folder)

    def run(self) -> None:
        """Deliver forever."""
        while True:
            due = self._due()
            if due:
                self._deliver(due)
            else:
                time.sleep(IDLE_WAIT_S)

    def _due(self) -> Sequence[Delivery]:
        query = select(Delivery).where(
            Delivery.delivered_at.is_(None), Delivery.attempts < ATTEMPTS
        )
        with self._reading() as session:
            return session.scalars(query.order_by(Delivery.position).limit(BATCH_DELIVERIES)).all()

    def _deliver(self, due: Sequence[Delivery]) -> None:
        responses = {
            each.position: self._outside.charge(each.event.data)
            for each in due
            if each.handler == "billing"
        }
        self._outside.send_mails(
            [each.event.data for each in due if each.handler == "notification"]
        )
        delivered, failed = [], []
        with self._lock(), self._writing.begin() as session:
            for each in due:
                try:
                    with session.begin_nested():
                        self._handle(session, each, responses)
                    delivered.append(each.position)
                except (OutOfStock, SQLAlchemyError):
                    failed.append(each.position)
            _update(session, delivered, delivered_at=timestamp())
            _update(session, failed, attempts=Delivery.attempts + 1)

    def _handle(self, session: Session, delivery: Delivery, responses: dict[int, Response]) -> None:
        if delivery.handler == "inventory":
            reserve_stock(session, delivery.event.data)
        elif delivery.handler == "billing":
            bill(session, delivery.event.data, responses[delivery.position])


def _update(session: Session, positions: list[int], **values: Any) -> None:
    changing = update(Delivery).where(Delivery.position.in_(positions)).values(**values)
    session.execute(changing, execution_options={"synchronize_session": False})


if __name__ == "__main__":
    Relay(Path(os.environ["PEER_DATA"])).run()
