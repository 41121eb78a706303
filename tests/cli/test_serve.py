"""`flask serve`: how it begins, and what keeps it from beginning."""

import json
import os
import re
import signal
import socket
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path

import pytest

from app.server.workers import STOP_TIMEOUT_S
from tests.cli import shell
from tests.processes.servers import Server, children, free_port, leader_of, wait_for


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server on a fresh folder that is not started yet."""
    server = Server(tmp_path / "data")
    yield server
    server.kill()


@pytest.fixture
def taken_port() -> Iterator[str]:
    """A port that another socket listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield str(listener.getsockname()[1])


def answers(port: str) -> bool:
    """Whether the shop answers on this port."""
    connection = HTTPConnection("127.0.0.1", int(port), timeout=shell.PATIENCE_S)
    try:
        connection.request("GET", "/product")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def test_a_shop_gets_no_sample_unless_it_is_asked_for(server: Server) -> None:
    """A real shop begins with an empty catalogue; `make run` passes --sample."""
    port = str(free_port())
    process = shell.start(server.data, "serve", PORT=port)
    try:
        wait_for("the shop answers", lambda: answers(port))
    finally:
        shell.end(process)
    assert (server.data / "products.json").read_text().split() == ["[", "]"]


def test_a_new_shop_gets_the_sample_by_option(server: Server) -> None:
    """The README's lines work in a fresh clone after `make run`."""
    server.start()
    _, answer = server.request("GET", "/product")
    assert len(answer["products"]) == 20
    assert {"notebook-a5", "pencil-hb"} <= {each["sku"] for each in answer["products"]}


@pytest.mark.deep
def test_imported_orders_are_delivered_without_a_request(server: Server, tmp_path: Path) -> None:
    """The process that delivers begins when it starts."""
    goods, sold = tmp_path / "goods.csv", tmp_path / "sold.csv"
    goods.write_text("sku,price,quantity\ntea,4.50,10\n")
    sold.write_text("order,customer_name,product,quantity\nA1,Ada,tea,1\n")
    books = server.data / "orders.json"
    shell.run(server.data, "import", "products", str(goods))
    shell.run(server.data, "import", "orders", str(sold))
    process = shell.start(server.data, "serve", PORT=str(free_port()))
    try:
        wait_for("the order is confirmed", lambda: "confirmed" in books.read_text())
    finally:
        shell.end(process)


def test_ctrl_c_ends_it(tmp_path: Path) -> None:
    """A terminal sends SIGINT to the workers too; they leave it to the server to stop them.

    A worker of Granian that gets SIGINT and then the server's SIGTERM hangs every now and then.
    """
    port = str(free_port())
    process = shell.start(tmp_path / "data", "serve", PORT=port, WORKERS="1")
    try:
        wait_for("the server answers", lambda: answers(port))
        wait_for("somebody delivers", lambda: leader_of(tmp_path / "data"))
        worker_and_deliverer = children(process.pid)
        assert len(worker_and_deliverer) == 2
        for each in worker_and_deliverer:
            status = Path(f"/proc/{each}/status").read_text()
            (blocked,) = re.findall(r"SigBlk:\s*(\w+)", status)
            assert int(blocked, 16) >> (signal.SIGINT - 1) & 1
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(shell.PATIENCE_S) == 0
    finally:
        shell.end(process)


@pytest.mark.deep
def test_a_stop_while_workers_start_ends_them_at_once(tmp_path: Path) -> None:
    """Each worker ends by itself, before the timeout after which it would be killed."""
    process = shell.start(tmp_path / "data", "serve", PORT=str(free_port()))
    try:
        assert process.stderr
        for line in process.stderr:
            if "Spawning worker-2" in line:
                break
        process.terminate()
        code, _, result = shell.finished(process)
    finally:
        shell.end(process)
    assert code == 0
    lines = [json.loads(line) for line in result.splitlines() if line.startswith("{")]
    said_at = {line["message"]: datetime.fromisoformat(line["time"]) for line in lines}
    took = said_at["Stopped worker-3"] - said_at["Shutting down granian"]
    # Granian may take one that has ended for alive, and say that it kills it (decision 0019)
    assert took < timedelta(seconds=STOP_TIMEOUT_S)


@pytest.mark.deep
def test_workers_that_are_killed_again_and_again_are_replaced(tmp_path: Path) -> None:
    """A kernel that is short of memory may do so; the shop stays open, and delivers."""
    port = str(free_port())
    process = shell.start(tmp_path / "data", "serve", PORT=port, WORKERS="1")
    try:
        killed: set[int] = set()
        for _ in range(3):
            wait_for("both are there", lambda: len(children(process.pid) - killed) == 2)
            wait_for("it answers", lambda: answers(port))
            for each in children(process.pid) - killed:
                killed.add(each)
                os.kill(each, signal.SIGKILL)
        wait_for("the server answers", lambda: answers(port))
        wait_for("somebody delivers", lambda: leader_of(tmp_path / "data"))
        process.terminate()
        assert process.wait(shell.PATIENCE_S) == 0
    finally:
        shell.end(process)


@pytest.mark.deep
def test_an_error_in_a_worker_ends_the_server(server: Server) -> None:
    """A large folder is opened by the workers alone; their sentence is the server's last one."""
    server.start()
    server.stop()
    (server.data / "large.bin").write_bytes(bytes(2 << 20))
    (server.data / "products.json").write_text("[]")
    code, out, err = shell.run(server.data, "serve", PORT=str(free_port()))
    assert code == 2
    assert err.splitlines()[-1].startswith("Error: products.json is not as the service left it")
    assert "Traceback" not in out + err


def test_a_port_in_use_is_reported(tmp_path: Path, taken_port: str) -> None:
    """One line says what the start waits for; then it ends with the reason."""
    code, _, err = shell.run(tmp_path / "data", "serve", PORT=taken_port)
    assert code == 2
    assert err == (
        f"port {taken_port} of 127.0.0.1 is in use; waiting up to 3 s, in case a server that was "
        "killed is about to release it\n"
        f"Error: Port {taken_port} of 127.0.0.1 is in use; stop the program that has it, or set "
        "DAYBOOK_PORT to another one.\n"
    )


def test_an_address_of_another_machine_is_reported(tmp_path: Path) -> None:
    code, _, err = shell.run(tmp_path / "data", "serve", HOST="192.0.2.1")
    assert code == 2
    assert err.startswith("Error: Nothing can listen on 192.0.2.1, port 8000 (")


@pytest.mark.parametrize("command", [["serve"], ["replay", "--all"], ["check"], ["--help"]])
def test_a_bad_setting_is_reported_by_every_command(tmp_path: Path, command: list[str]) -> None:
    """One sentence that names every one of them."""
    code, _, err = shell.run(tmp_path / "data", *command, PORT="eighty", WORKER="2")
    assert code == 2
    assert err == (
        "Error: DAYBOOK_PORT: must be a whole number from 1 to 65535, not 'eighty'; "
        "DAYBOOK_WORKER: is not a setting; did you mean DAYBOOK_WORKERS?\n"
    )


def test_an_unusable_folder_is_reported(tmp_path: Path) -> None:
    """A file stands in its place."""
    (tmp_path / "data").write_text("")
    code, _, err = shell.run(tmp_path / "data", "failures")
    assert code == 2
    assert err.startswith("Error: ")
    assert "data" in err
    assert err.count("\n") == 1


@pytest.mark.deep
def test_a_damaged_folder_is_reported(server: Server) -> None:
    """The sentence says which file, and what to do."""
    server.start()
    server.stop()
    (server.data / "orders.json").write_text("[]")
    code, _, err = shell.run(server.data, "serve", PORT=str(free_port()))
    assert code == 2
    assert "orders.json is not as the service left it" in err
    assert json.loads((server.data / "orders.json").read_bytes()) == []


def test_a_shop_without_keys_is_not_opened_to_other_machines(tmp_path: Path) -> None:
    """One sentence says what to do, before anything listens."""
    code, _, err = shell.run(tmp_path / "data", "serve", HOST="0.0.0.0", PORT=str(free_port()))
    assert code == 2
    assert "flask key create" in err
