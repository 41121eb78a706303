"""The collection for Postman, run against a real service."""

import json
from pathlib import Path

import pytest

from tests.clients.conftest import Run, node_tool
from tests.processes.servers import Server

ALWAYS_POSSIBLE = {
    "post_order",
    "list_orders",
    "get_order",
    "get_events",
    "patch_order: OrderChange",
    "patch_order: CancelPatch",
    "cancel_order",
    "delete_order",
    "list_products",
}


@pytest.mark.deep
def test_newman_runs_the_collection_clean(server: Server, run: Run, tmp_path: Path) -> None:
    """Every request gets an answer of the contract, none is refused for its form.

    An order is really placed, read, changed, cancelled and deleted: these are all answered 2xx.
    """
    report = tmp_path / "report.json"
    run(
        node_tool("newman"),
        "run",
        f"http://127.0.0.1:{server.port}/postman.json",
        *("--reporters", "cli,json", "--reporter-json-export", str(report)),
    )
    executions = json.loads(report.read_text("utf-8"))["run"]["executions"]
    statuses = {each["item"]["name"]: each["response"]["code"] for each in executions}
    assert statuses.keys() >= ALWAYS_POSSIBLE
    assert {statuses[name] for name in ALWAYS_POSSIBLE} <= {200, 201}
    assert all(each["assertions"] for each in executions)
