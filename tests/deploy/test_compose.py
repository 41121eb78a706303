"""deploy/compose/ without containers: its files, settings and commands with real programs."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import psycopg
import pytest

from app.config import PREFIX
from tests.cli import shell
from tests.deploy.compose import PASSWORDS, read_compose_file
from tests.deploy.nginx import NAME, Proxy, replaced
from tests.postgresql import postgresql_program, postgresql_server, url_of_shop
from tests.processes.servers import ROOT, free_port, wait_for

pytestmark = pytest.mark.deep

MACHINES = ("daybook-1", "daybook-2")
PLACED = 'daybook_http_request_duration_seconds_count{method="POST",route="/order",status="201"}'


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """The URL of the database that database.sql creates; its user needs the password."""
    with postgresql_server() as administrator:
        psql = [postgresql_program("psql"), "-v", "ON_ERROR_STOP=1", "--no-psqlrc"]
        script = ROOT / "deploy/compose/database.sql"
        subprocess.run([*psql, "-f", script, administrator], env=os.environ | PASSWORDS, check=True)
        with psycopg.connect(administrator, autocommit=True) as connection:
            (hba_file,) = connection.execute("SHOW hba_file").fetchone() or ("",)
            rules = Path(hba_file).read_text("utf-8")
            Path(hba_file).write_text(f"local all shop scram-sha-256\n{rules}", "utf-8")
            connection.execute("SELECT pg_reload_conf()")
        yield url_of_shop(administrator)


def local_settings(environment: dict[str, str], database: str, port: int) -> dict[str, str]:
    """Return the DAYBOOK_* variables of a service, with addresses of this machine."""
    assert environment["PGPASSWORD"] == PASSWORDS["SHOP_PASSWORD"]
    assert environment["DAYBOOK_STORE"] == "postgresql://shop@database/shop"
    settings = {
        variable.removeprefix(PREFIX): value
        for variable, value in environment.items()
        if variable.startswith(PREFIX)
    }
    here = {"STORE": database, "HOST": "127.0.0.1", "TRUSTED_PROXIES": "127.0.0.1"}
    return settings | here | {"PORT": str(port), "LOG_LEVEL": "warning"}  # nobody reads the log


class Machines:
    """The two Daybook services on one data folder, and nginx before them."""

    def __init__(self, folder: Path, database: str, stack: ExitStack) -> None:
        project = read_compose_file("compose/compose.yaml")
        services, upstream = project["services"], project["configs"]["upstream"]["content"]
        data, settings = folder / "data", dict[str, dict[str, str]]()
        self._ports = {name: free_port() for name in MACHINES}
        for name, port in self._ports.items():
            settings[name] = local_settings(services[name]["environment"], database, port)
            address = services[name]["networks"]["inside"]["ipv4_address"]
            upstream = replaced(upstream, (f"{address}:8000", f"127.0.0.1:{port}"))
        self._health_checks = {name: services[name]["healthcheck"]["test"] for name in MACHINES}
        create = ("key", "create", "--role", "operator", "--name", "ada")
        status, key, error = shell.run(data, *create, **settings[MACHINES[0]])
        assert status == 0, error
        self.key = {"Authorization": f"Bearer {key.strip()}"}
        self._servers = {
            name: shell.start(data, "serve", "--sample", **settings[name]) for name in MACHINES
        }
        for server in self._servers.values():
            stack.callback(shell.end, server)
        self.proxy = Proxy(folder, upstream)
        stack.callback(self.proxy.stop)

    def is_healthy(self, name: str) -> bool:
        """Return the result of the machine's health check."""
        _, program, option, code = self._health_checks[name]
        assert (program, option) == ("python", "-c")
        here = replaced(code, (":8000/", f":{self._ports[name]}/"))
        check = subprocess.run([sys.executable, "-c", here], capture_output=True)
        return check.returncode == 0

    def has_placed(self, name: str) -> bool:
        """Return whether the machine itself has placed orders."""
        url = f"http://127.0.0.1:{self._ports[name]}/metrics"
        return PLACED in httpx.get(url, headers=self.key | {"Host": NAME}, trust_env=False).text

    def place(self, reference: str) -> str:
        """Place an order through nginx, again until it is; returns its id."""
        order = {"customer_name": "Ada", "items": [{"product": "notebook-a5", "quantity": 1}]}
        answers = []

        def is_placed() -> bool:
            answers.append(
                self.proxy.post("/order", order, **self.key, **{"Idempotency-Key": reference})
            )
            return answers[-1].status_code == 201

        wait_for("the order is placed", is_placed)
        order_id: str = answers[-1].json()["order_id"]
        return order_id

    def kill(self, name: str) -> None:
        """Kill all processes of a machine."""
        shell.end(self._servers[name])


@pytest.fixture
def machines(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machines]:
    monkeypatch.setenv("PGPASSWORD", PASSWORDS["SHOP_PASSWORD"])
    with ExitStack() as stack:
        yield Machines(tmp_path, database, stack)


def test_the_shop_goes_on_when_a_machine_is_killed(machines: Machines) -> None:
    """nginx has both place orders, then the other one alone, which delivers what is left."""
    wait_for("both are healthy", lambda: all(map(machines.is_healthy, MACHINES)))
    ids = [machines.place(f"before-{n}") for n in range(4)]
    assert all(map(machines.has_placed, MACHINES))
    machines.kill("daybook-1")
    assert not machines.is_healthy("daybook-1")
    ids += [machines.place(f"after-{n}") for n in range(4)]
    assert machines.place("before-0") == ids[0]  # the first response, from the database

    def is_paid(order_id: str) -> bool:
        order = machines.proxy.get(f"/order/{order_id}", **machines.key).json()
        return bool(order.get("payment_status") == "paid")

    wait_for("all orders are paid", lambda: all(map(is_paid, ids)))
    wait_for("the other one is healthy", lambda: machines.is_healthy("daybook-2"))
    assert len(set(ids)) == 8
