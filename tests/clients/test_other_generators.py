"""Clients that openapi-generator and orval make from openapi.yaml."""

import json
import os
import re
from pathlib import Path
from shutil import which

import pytest

from tests.clients.conftest import CONTRACT, Run, node_tool
from tests.clients.test_generated_client import program_of_ours
from tests.processes.servers import Server

TSCONFIG = {
    "compilerOptions": {
        "target": "es2022",
        "module": "commonjs",
        "lib": ["es2022", "dom"],
        "strict": True,
        "outDir": "built",
        "types": [],
    },
    "files": ["story.ts"],
}

FETCH_STORY = """
import { Configuration, OrdersApi } from "./client";

declare const process: { argv: string[] };

async function story(): Promise<void> {
  const orders = new OrdersApi(new Configuration({ basePath: process.argv[2] }));
  const items = [{ product: "notebook-a5", quantity: 2 }];
  const placed = await orders.postOrder({ orderRequest: { customerName: "Ada", items } });
  const orderId = placed.orderId;
  const changed = await orders.patchOrder({
    orderId, patchOrderRequest: { items: [{ product: "notebook-a5", quantity: 3 }] },
  });
  if (changed.items[0].quantity !== 3) throw new Error("not changed");
  const found = await orders.listOrders({
    status: ["placed", "confirmed"], from: "2026-01-01", q: "ada", total: "true",
  });
  if (found.orders.length !== 1 || found.total !== null) throw new Error("not found");
  const cancelled = await orders.patchOrder({
    orderId, patchOrderRequest: { status: "cancelled", reason: "ordered twice" },
  });
  if (cancelled.status !== "cancelled") throw new Error("not cancelled");
}

story();
"""

ORVAL_STORY = """
import { listOrders, patchOrder, postOrder } from "./client";

async function story(): Promise<void> {
  const items = [{ product: "notebook-a5", quantity: 2 }];
  const placed = await postOrder({ customer_name: "Ada", items });
  if (placed.status !== 201) throw new Error("not placed");
  const orderId = placed.data.order_id;
  const changed = await patchOrder(orderId, { items: [{ product: "notebook-a5", quantity: 3 }] });
  if (changed.status !== 200) throw new Error(`not changed: ${changed.status}`);
  if (changed.data.items[0].quantity !== 3) throw new Error("not changed");
  const found = await listOrders({ status: ["placed", "confirmed"], from: "2026-01-01" });
  if (found.status !== 200 || found.data.orders.length !== 1) throw new Error("not found");
  const cancelled = await patchOrder(orderId, { status: "cancelled", reason: "ordered twice" });
  if (cancelled.status !== 200) throw new Error("not cancelled");
}

story();
"""


@pytest.mark.deep
def test_a_typescript_client_of_openapi_generator_changes_an_order(
    server: Server, run: Run, tmp_path: Path
) -> None:
    """It compiles in strict mode; a patch and a cancellation have types of their own."""
    generate(run, "typescript-fetch", tmp_path / "client")
    run_story(run, tmp_path, FETCH_STORY, f"http://127.0.0.1:{server.port}")


@pytest.mark.deep
def test_a_client_of_orval_changes_an_order(server: Server, run: Run, tmp_path: Path) -> None:
    """Each request has its media type; so a patch is not refused with 415."""
    output = {
        "target": "./client.ts",
        "client": "fetch",
        "baseUrl": f"http://127.0.0.1:{server.port}",
    }
    config = {"daybook": {"input": CONTRACT, "output": output}}
    (tmp_path / "orval.config.cjs").write_text(f"module.exports = {json.dumps(config)}", "utf-8")
    run(node_tool("orval"), "--config", "orval.config.cjs")
    run_story(run, tmp_path, ORVAL_STORY)


@pytest.mark.deep
@pytest.mark.parametrize(
    ("generator", "suffix"), [("java", "java"), ("go", "go"), ("csharp", "cs")]
)
def test_a_generated_client_names_no_type_that_is_missing(
    run: Run, tmp_path: Path, generator: str, suffix: str
) -> None:
    """openapi-generator has no type for a value of two formats, and names one all the same."""
    generate(run, generator, tmp_path / "client")
    sources = {path: path.read_text("utf-8") for path in tmp_path.rglob(f"*.{suffix}")}
    assert sources
    missing = re.compile(r"\b(Nullable)?(AnyOf|OneOf|AllOf)\b")
    assert [path.name for path, text in sources.items() if missing.search(text)] == []


def generate(run: Run, generator: str, folder: Path) -> None:
    """Make a client with openapi-generator; skips the test where there is no java."""
    if which("java") is None and os.environ.get("BROWSER_TESTS") != "required":
        pytest.skip("java is not installed")
    program = program_of_ours("openapi-generator-cli")
    run(program, "generate", "-i", CONTRACT, "-g", generator, "-o", str(folder))


def run_story(run: Run, folder: Path, story: str, *arguments: str) -> None:
    """Compile a program that uses the client, and run it."""
    (folder / "story.ts").write_text(story, "utf-8")
    (folder / "tsconfig.json").write_text(json.dumps(TSCONFIG), "utf-8")
    run(node_tool("tsc"), "--project", ".")
    run("node", str(folder / "built" / "story.js"), *arguments)
