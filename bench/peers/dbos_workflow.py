"""The third peer of the full flow: Flask, SQLAlchemy and DBOS, on SQLite or PostgreSQL.

A request enqueues a durable workflow in the transaction of its order. The workflows run in a
process of their own: `python -m bench.peers.dbos_workflow`. DBOS records each step, and continues a
workflow after a crash with the step that follows. On SQLite its database is in WAL mode, with
synchronous=FULL.
"""

import os
import threading
from pathlib import Path

from dbos import DBOS, DBOSClient, EnqueueOptions, run_dbos_database_migrations
from flask import Flask
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from bench.peers.documents import Document
from bench.peers.flask_sqlalchemy import order_service, write_sessions
from bench.peers.fulfilment import Outside, bill, reserve_stock
from bench.peers.sqlalchemy_tables import THREADS_PER_WORKER, open_database

QUEUE, WORKFLOW = "orders", "fulfil"
POLL_INTERVAL_S = 0.05
CLAIMED_WORKFLOWS = 64


def create_app() -> Flask:
    """Return the service on the folder in PEER_DATA; it creates the tables of DBOS."""
    engine = _engine()
    engine.connect().close()  # sets the mode of SQLite's file
    url = engine.url.render_as_string(hide_password=False)
    run_dbos_database_migrations(url)
    client = DBOSClient(system_database_url=url)

    def enqueue(session: Session, placed: Document) -> None:
        options: EnqueueOptions = {
            "workflow_name": WORKFLOW,
            "queue_name": QUEUE,
            "workflow_id": placed["order_id"],
        }
        client.enqueue_in_transaction(session, options, placed)

    return order_service(engine, enqueue)


def run_worker() -> None:
    """Run the workflows, forever."""
    engine = _engine()
    sessions, outside = write_sessions(engine), Outside(Path(os.environ["PEER_DATA"]))

    @DBOS.step()
    def inventory(placed: Document) -> None:
        with sessions.begin() as session:
            reserve_stock(session, placed)

    @DBOS.step()
    def billing(placed: Document) -> None:
        answer = outside.charge(placed)
        with sessions.begin() as session:
            bill(session, placed, answer)

    @DBOS.step()
    def notification(placed: Document) -> None:
        outside.send_mails([placed])

    @DBOS.workflow(name=WORKFLOW)
    def fulfil(placed: Document) -> None:
        inventory(placed)
        billing(placed)
        notification(placed)

    url = engine.url.render_as_string(hide_password=False)
    DBOS(
        config={
            "name": "peer",
            "system_database_url": url,
            "max_executor_threads": THREADS_PER_WORKER,
            "log_level": "WARNING",
        }
    )
    DBOS.launch()
    DBOS.register_queue(
        QUEUE, worker_concurrency=CLAIMED_WORKFLOWS, polling_interval_sec=POLL_INTERVAL_S
    )
    threading.Event().wait()


def _engine() -> Engine:
    return open_database(Path(os.environ["PEER_DATA"]), os.environ.get("PEER_DATABASE"))


if __name__ == "__main__":
    run_worker()
