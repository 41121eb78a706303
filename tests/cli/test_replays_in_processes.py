"""`flask replay` as processes of their own: at the same time, and killed."""

from collections.abc import Callable
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app.billing.documents import INVOICES
from app.events import failures as failing
from app.imports.columns import Columns
from app.imports.orders import FIELDS, OrderImport
from app.imports.tables import read_table
from app.orders.schemas import request_schema
from app.orders.service import OrderPolicy
from app.server.runtime import Runtime
from app.store import Document
from tests.cli import shell
from tests.cli.conftest import Failures

pytestmark = pytest.mark.deep


def test_two_replays_at_once_do_nothing_twice(
    tmp_path: Path,
    client: FlaskClient,
    runtime: Runtime,
    settled: Callable[[], None],
    failures: Failures,
    catalogue: dict[str, str],
) -> None:
    """Both end cleanly, each failure is replayed by one of them, and each order has one invoice."""
    count = 1000
    client.put("/fault/billing", json={"mode": "reject"})
    _import_orders(runtime, tmp_path / "orders.csv", count)
    settled()
    client.delete("/fault/billing")
    assert len(failures()) == count
    data = runtime.config.data
    runtime.close()
    both = [shell.start(data, "replay", "--all") for _ in range(2)]
    ends = [shell.finished(process) for process in both]
    assert [code for code, _, _ in ends] == [0, 0], ends
    assert all("0 failed again" in out or out == "Nothing to replay.\n" for _, out, _ in ends)
    assert failures() == []
    assert len({invoice["order_id"] for invoice in _invoices(runtime)}) == count
    assert sorted(each["invoice_number"] for each in _invoices(runtime)) == list(
        range(1, count + 1)
    )
    assert all(len(invoice["history"]) == 1 for invoice in _invoices(runtime))


def test_a_killed_replay_loses_nothing(
    tmp_path: Path,
    client: FlaskClient,
    runtime: Runtime,
    settled: Callable[[], None],
    failures: Failures,
    catalogue: dict[str, str],
) -> None:
    """kill -9 midway; the next run finishes what is left, and no order is billed twice."""
    client.put("/fault/billing", json={"mode": "reject"})
    _import_orders(runtime, tmp_path / "orders.csv", 60)
    settled()
    client.delete("/fault/billing")
    data = runtime.config.data
    runtime.close()
    process = shell.start(data, "replay", "--all", "--rate", "4")
    watch = runtime.store.change_feed(failing.FAILURES.name)
    while process.poll() is None and len(failures()) > 58:
        watch.take(timeout_s=0.05)
    shell.end(process)
    assert failures(), "killed too late to show anything"
    assert _summary(shell.run(data, "replay", "--all")).endswith("0 skipped, 0 waiting.")
    assert failures() == []
    assert len(_invoices(runtime)) == 60
    assert all(len(invoice["history"]) == 1 for invoice in _invoices(runtime))


def _summary(end: tuple[int, str, str]) -> str:
    code, out, _ = end
    assert code == 0, end
    return out.strip()


def _import_orders(runtime: Runtime, file: Path, count: int) -> None:
    rows = [f"R{number},Ada,pot,1" for number in range(count)]
    file.write_text("\n".join(["order,customer_name,product,quantity", *rows]))
    table, currency = read_table(file), runtime.config.currency
    work = OrderImport(OrderPolicy(currency), request_schema(currency), runtime.config.timezone)
    work.run(runtime.store, table, Columns(table, FIELDS, {}, {}))


def _invoices(runtime: Runtime) -> list[Document]:
    with runtime.store.read() as view:
        found = [view.get(INVOICES.name, key) for key in view.keys(INVOICES.name)]
    return [invoice for invoice in found if invoice]
