"""The second peer of the full flow: Flask, SQLAlchemy and PostgreSQL, with Celery on Redis.

A request publishes a task for each handler once its transaction is committed. The worker runs as a
process of its own: `celery --app bench.peers.celery_tasks worker`. As Celery's guide advises, tasks
that may run twice are acknowledged late, results that nobody reads are not kept, and short tasks
are fetched many at a time. CELERY_BROKER_URL names the Redis, which syncs its append-only file
before it answers.

A crash between the commit and the publishing loses the tasks. A team would look for such orders
now and then; that this peer does not is to its advantage.
"""

import os
from functools import cache
from pathlib import Path

from celery import Celery, Task
from flask import Flask
from sqlalchemy.orm import Session, sessionmaker

from bench.peers.documents import Document
from bench.peers.flask_sqlalchemy import order_service, write_sessions
from bench.peers.fulfilment import Outside, bill, reserve_stock
from bench.peers.sqlalchemy_tables import THREADS_PER_WORKER, open_postgresql

tasks = Celery("bench.peers.celery_tasks")
tasks.conf.update(
    broker_pool_limit=THREADS_PER_WORKER,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=64,
)
RETRIES = {"autoretry_for": (OSError,), "retry_backoff": True, "max_retries": 5}


@tasks.task(**RETRIES)
def inventory(placed: Document) -> None:
    with _sessions().begin() as session:
        reserve_stock(session, placed)


@tasks.task(**RETRIES)
def billing(placed: Document) -> None:
    answer = _outside().charge(placed)
    with _sessions().begin() as session:
        bill(session, placed, answer)


@tasks.task(**RETRIES)
def notification(placed: Document) -> None:
    _outside().send_mails([placed])


HANDLERS: tuple[Task, ...] = (inventory, billing, notification)


def create_app() -> Flask:
    """Return the service on the PostgreSQL in PEER_DATABASE."""
    engine = open_postgresql(os.environ["PEER_DATABASE"])
    return order_service(engine, lambda session, placed: None, publish=publish)


def publish(placed: Document) -> None:
    """Publish a task for each handler; they are durable on return."""
    for handler in HANDLERS:
        handler.delay(placed)


@cache
def _sessions() -> sessionmaker[Session]:
    """Return the worker's sessions; opened by the first task, after the worker has forked."""
    return write_sessions(open_postgresql(os.environ["PEER_DATABASE"]))


@cache
def _outside() -> Outside:
    return Outside(Path(os.environ["PEER_DATA"]))
