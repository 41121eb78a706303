"""The tables of the SQLAlchemy peers and their two engines: every durability setting is here."""

from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    Connection,
    Dialect,
    Engine,
    ForeignKey,
    Identity,
    Numeric,
    String,
    TypeDecorator,
    create_engine,
    event,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

BUSY_TIMEOUT_S = 30
FIRST_NUMBER = 1001
"""Orders are numbered from here on."""
THREADS_PER_WORKER = 16


class TextMoney(TypeDecorator[Decimal]):
    """A Decimal kept as text, because SQLite's own fractions are floats."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:
        return None if value is None else str(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value)


Money = Numeric(14, 2).with_variant(TextMoney(), "sqlite")


class Base(DeclarativeBase):
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        Decimal: Money,
        dict[str, Any]: JSON,
        list[dict[str, Any]]: JSON,
    }


class Product(Base):
    __tablename__ = "products"
    sku: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    price: Mapped[Decimal]
    quantity: Mapped[int]
    reserved: Mapped[int] = mapped_column(default=0)


class Order(Base):
    __tablename__ = "orders"
    __table_args__ = ({"sqlite_autoincrement": True},)
    number: Mapped[int] = mapped_column(Identity(start=FIRST_NUMBER), primary_key=True)
    order_id: Mapped[str] = mapped_column(unique=True)
    customer_name: Mapped[str]
    customer_email: Mapped[str | None]
    currency: Mapped[str]
    total_amount: Mapped[Decimal]
    status: Mapped[str] = mapped_column(index=True)
    payment_status: Mapped[str]
    order_date: Mapped[str]
    order_update: Mapped[str]
    version: Mapped[int]
    history: Mapped[list[dict[str, Any]]]
    items: Mapped[list["OrderItem"]] = relationship(order_by="OrderItem.line")


class OrderItem(Base):
    __tablename__ = "order_items"
    order_number: Mapped[int] = mapped_column(ForeignKey("orders.number"), primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)
    product: Mapped[str] = mapped_column(ForeignKey("products.sku"))
    name: Mapped[str]
    quantity: Mapped[int]
    amount: Mapped[Decimal]
    line_total: Mapped[Decimal]


class OutboxEvent(Base):
    """One event to deliver; delivered_at is empty until a dispatcher has done so."""

    __tablename__ = "outbox"
    position: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[str]
    type: Mapped[str]
    subject: Mapped[str]
    time: Mapped[str]
    data: Mapped[dict[str, Any]]
    delivered_at: Mapped[str | None]


def open_database(folder: Path, url: str | None) -> Engine:
    """Return an engine on the PostgreSQL at `url`; without one, on folder/orders.db."""
    return open_postgresql(url) if url else open_sqlite(folder)


def open_postgresql(url: str) -> Engine:
    """Return an engine on a PostgreSQL with its own settings: commits are synced (and grouped)."""
    return create_engine(url, pool_size=THREADS_PER_WORKER)


def open_sqlite(folder: Path) -> Engine:
    """Return an engine on folder/orders.db; every commit is fsynced before it returns.

    A connection with the execution option `write` begins IMMEDIATE: it waits for the write lock
    at once, up to BUSY_TIMEOUT_S, instead of failing half-way with "database is locked".
    """
    engine = create_engine(
        f"sqlite:///{folder / 'orders.db'}",
        pool_size=THREADS_PER_WORKER,
        connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # pysqlite must not begin transactions by itself
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        is_write = connection.get_execution_options().get("write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")

    return engine
