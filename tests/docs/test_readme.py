"""Runs the commands of the README."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep

from flask import Flask

from tests.processes.servers import free_port

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
PATIENCE_S = 30.0


def test_the_first_lines_work_as_pasted(tmp_path: Path) -> None:
    """The curl lines place, read, change and delete an order of a new shop."""
    port = str(free_port())
    environment = os.environ | {"DAYBOOK_DATA": str(tmp_path / "data"), "DAYBOOK_PORT": port}
    shop = subprocess.Popen(
        [sys.executable, "-m", "flask", "serve", "--sample"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port)
        answers = [_run(line.replace("8000", port)) for line in _curl_lines()]
    finally:
        shop.terminate()
        shop.wait(PATIENCE_S)
    placed, read, changed, events, deleted = map(json.loads, answers)
    assert placed["number"] == read["number"] == 1001
    assert [line["quantity"] for line in changed["items"]] == [2]
    assert {record["event"]["type"] for record in events["events"]} >= {
        "order.placed",
        "order.updated",
    }
    assert deleted == {"order_id": placed["order_id"], "deleted": True}


def test_every_command_is_documented(app: Flask) -> None:
    """The README names every command."""
    missing = [name for name in app.cli.commands if f"`flask {name}" not in README]
    assert not missing


def _curl_lines() -> list[str]:
    block = re.search(r"```sh\n(curl.*?)```", README, re.DOTALL)
    assert block
    return block[1].splitlines()


def _run(line: str) -> str:
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
    return done.stdout


def _wait_for(port: str) -> None:
    deadline = monotonic() + PATIENCE_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", int(port))).close()
            return
        except ConnectionRefusedError:
            assert monotonic() < deadline, "the shop did not start"
            sleep(0.05)
