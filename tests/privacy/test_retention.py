"""DAYBOOK_KEEP_DAYS: customers of orders that ended long ago are erased by themselves."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import monotonic

import pytest
from flask.testing import FlaskClient

from app import create_app
from app.config import Config
from app.events.dispatch.jobs import JOB_DAYS, Work
from app.kernel.personal_data import ERASED_NAME
from app.orders.documents import ORDERS, REFERENCES
from app.orders.references import import_order
from app.orders.service import delete_order
from app.privacy.retention import Retention
from app.server.runtime import Runtime
from tests.audit.conftest import differences
from tests.conftest import PATIENCE_S, settle
from tests.over_http import request_for
from tests.privacy.conftest import EMAIL, NAME, POLICY, SECRETS, everywhere, mentions, order_again
from tests.transactions import transaction

LONG_AGO = "2019-05-01T08:00:00.000Z"
KEEP_DAYS = 30


def work(runtime: Runtime, in_days: int, **bounds: int) -> int:
    """Do the work of a day that is so many days from now; returns the number of parts."""
    day = (datetime.now(UTC).date() + timedelta(days=in_days)).isoformat()

    def run(part: Work) -> Work | None:
        return runtime.store.run_in_transaction(lambda tx: part(tx, day))

    part: Work | None = Retention(KEEP_DAYS, UTC, **bounds).run
    parts = 0
    while part:
        part = run(part)
        parts += 1
    return parts


def names(runtime: Runtime) -> list[str]:
    return [order["customer_name"] for order in everywhere(runtime)]


def test_nothing_is_erased_before_its_time(runtime: Runtime) -> None:
    """Orders that changed within the days keep their customers."""
    work(runtime, KEEP_DAYS - 1)
    assert names(runtime) == [NAME] * 4


def test_all_data_of_ended_orders_goes(runtime: Runtime, client: FlaskClient) -> None:
    """Deleted orders, mails and references too; an order under way stays, and all agrees."""
    work(runtime, KEEP_DAYS + 1)
    settle(runtime)
    assert names(runtime) == [ERASED_NAME] * 4
    assert differences(runtime) == []
    with runtime.store.read() as view:
        assert list(view.keys(REFERENCES.name)) == []
    data = runtime.config.data
    runtime.close()
    kept = mentions(data, *SECRETS) - {"idempotency.json"}  # those are deleted after a day
    assert kept == set()
    order_again(client)
    settle(runtime)
    work(runtime, KEEP_DAYS + 1)
    assert names(runtime)[-1] == NAME


@pytest.mark.parametrize("max_read", [1, 200])
def test_the_references_of_deleted_orders_go(runtime: Runtime, max_read: int) -> None:
    """One with the customer's name is removed, of another only the hash of its content."""
    with transaction(runtime.store) as tx:
        asked = request_for(NAME, tea=1) | {"customer_email": EMAIL}
        for reference in ("R-7", f"of {NAME}"):
            order = import_order(tx, POLICY, reference, asked, None)
            delete_order(tx, str((order or {})["order_id"]))
    settle(runtime)
    work(runtime, KEEP_DAYS + 1, max_read=max_read)
    with runtime.store.read() as view:
        left = [view.get(REFERENCES.name, key) or {} for key in view.keys(REFERENCES.name)]
    assert [each["reference"] for each in left] == ["R-7"]
    assert "fingerprint" not in left[0]


def test_the_work_is_done_in_short_transactions(runtime: Runtime) -> None:
    """Each erases a few customers; together they miss none."""
    assert work(runtime, KEEP_DAYS + 1, max_read=2, max_erased=1) > 5
    assert names(runtime) == [ERASED_NAME] * 4


def test_the_leader_does_it_once_a_day(config: Config) -> None:
    """With the setting, the dispatcher erases customers without a command."""
    app = create_app(replace(config, keep_days=KEEP_DAYS))
    runtime: Runtime = app.extensions["daybook"]
    with transaction(runtime.store) as tx:
        tx.put(JOB_DAYS.name, {"task": "retention", "day": "2020-01-01"})
        for order in tx.find(ORDERS.name).documents:
            old = {"order_date": LONG_AGO, "order_update": LONG_AGO}
            tx.put(ORDERS.name, order | old)
    feed = runtime.store.change_feed(ORDERS.name)
    runtime.start()
    deadline = monotonic() + PATIENCE_S
    while names(runtime) != [ERASED_NAME] * 4:
        assert monotonic() < deadline, names(runtime)
        feed.take(timeout_s=0.25)
    runtime.close()
