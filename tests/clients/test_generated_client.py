"""A client that openapi-python-client makes from openapi.yaml, used as another team would."""

import sys
from pathlib import Path

import pytest

from tests.clients.conftest import CONTRACT, Run
from tests.processes.servers import Server

CONFIG = """
post_hooks: []
content_type_overrides:
  application/pdf: application/octet-stream
"""

STORY = """
import sys
from uuid import UUID

from daybook_client import Client
from daybook_client.api.orders import cancel_order, delete_order, get_order, patch_order, post_order
from daybook_client.models import (
    Cancellation,
    Deleted,
    Order,
    OrderChange,
    OrderLineRequest,
    OrderRequest,
    OrderStatus,
    Problem,
)

client = Client(base_url=sys.argv[1], raise_on_unexpected_status=True)

lines = [OrderLineRequest(product="notebook-a5", quantity=2)]
wanted = OrderRequest(customer_name="Ada", customer_email="ada@example.org", items=lines)
created = post_order.sync(client=client, body=wanted, idempotency_key="story-1", prefer="wait=5")
assert isinstance(created, Order), created
assert isinstance(created.order_id, UUID)
assert created.order_date.tzinfo is not None
assert [line.quantity for line in created.items] == [2]

order_id = str(created.order_id)
read = get_order.sync(order_id, client=client)
assert isinstance(read, Order), read
assert read.total_amount == created.total_amount

changed = patch_order.sync(
    order_id,
    client=client,
    body=OrderChange(items=[OrderLineRequest(product="notebook-a5", quantity=3)]),
    if_match=f'"{read.version}"',
)
assert isinstance(changed, Order), changed
assert changed.items[0].quantity == 3

stale = patch_order.sync_detailed(
    order_id, client=client, body=OrderChange(customer_name="Eva"), if_match=f'"{read.version}"'
)
assert isinstance(stale.parsed, Problem), stale
assert (stale.status_code, stale.parsed.status) == (412, 412)

cancelled = cancel_order.sync(order_id, client=client, body=Cancellation(reason="ordered twice"))
assert isinstance(cancelled, Order), cancelled
assert cancelled.status is OrderStatus.CANCELLED

deleted = delete_order.sync(order_id, client=client)
assert isinstance(deleted, Deleted), deleted
assert deleted.deleted

gone = get_order.sync_detailed(order_id, client=client)
assert isinstance(gone.parsed, Problem), gone
assert gone.status_code == 404
refused = post_order.sync(client=client, body=OrderRequest(customer_name="", items=[]))
assert isinstance(refused, Problem), refused
assert {error.pointer for error in refused.errors} == {"/customer_name", "/items"}
"""


@pytest.mark.deep
def test_a_generated_client_lives_through_an_order(
    server: Server, run: Run, tmp_path: Path
) -> None:
    """Created, read, changed, cancelled, deleted; each answer has a type, which mypy checks."""
    program, config = tmp_path / "story.py", tmp_path / "generator.yml"
    program.write_text(STORY, "utf-8")
    config.write_text(CONFIG, "utf-8")
    run(
        program_of_ours("openapi-python-client"),
        *("generate", "--path", CONTRACT, "--config", str(config)),
        *("--meta", "none", "--output-path", str(tmp_path / "daybook_client")),
        "--fail-on-warning",
    )
    # the generated modules themselves are not ours to judge
    run(
        program_of_ours("mypy"),
        *("--strict", "--follow-imports", "silent", "--config-file", "", str(program)),
        MYPYPATH=str(tmp_path),
    )
    run(
        sys.executable,
        *(str(program), f"http://127.0.0.1:{server.port}"),
        PYTHONPATH=str(tmp_path),
    )


def program_of_ours(name: str) -> str:
    """A program of the virtual environment that the tests run in."""
    return str(Path(sys.executable).with_name(name))
