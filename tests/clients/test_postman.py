"""The collection for Postman, run against a real service."""

import json
from pathlib import Path

import pytest

from tests.cli import shell
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
@pytest.mark.parametrize("has_keys", [False, True])
def test_newman_runs_the_collection_clean(
    server: Server, run: Run, tmp_path: Path, has_keys: bool
) -> None:
    """Every request gets an answer of the contract, none is refused for its form.

    An order is really placed, read, changed, cancelled and deleted: these are all answered 2xx; in
    a shop with keys once the variable of the collection has one.
    """
    report = tmp_path / "report.json"
    key = _made_key(server) if has_keys else ""
    run(
        node_tool("newman"),
        "run",
        f"http://127.0.0.1:{server.port}/postman.json",
        *("--reporters", "cli,json", "--reporter-json-export", str(report)),
        *(("--env-var", f"api_key={key}") if key else ()),
    )
    executions = json.loads(report.read_text("utf-8"))["run"]["executions"]
    statuses = {each["item"]["name"]: each["response"]["code"] for each in executions}
    assert statuses.keys() >= ALWAYS_POSSIBLE
    assert {statuses[name] for name in ALWAYS_POSSIBLE} <= {200, 201}
    assert all(each["assertions"] for each in executions)


def _made_key(server: Server) -> str:
    code, out, err = shell.run(
        server.data, "key", "create", "--role", "operator", "--name", "postman"
    )
    assert code == 0, err
    assert server.request("GET", "/order")[0] == 401
    return next(word for word in out.split() if word.startswith("daybook_"))
