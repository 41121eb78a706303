"""Starts one service in a folder of its own, waits until it answers, and takes it down again.

Every service runs under Granian with the same settings: WSGI, W worker processes with
THREADS_PER_WORKER blocking threads each, on loopback and a free port. bench.run is the caller.
No process may outlive `running`. Its files do, until the caller removes all of them at the very
end: for minutes after thousands of small files were removed, ext4 takes ten times as long to
create one (it passes over inodes freed lately), and whoever is measured then pays for it.
"""

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from bench.workload import write_products

HOST = "127.0.0.1"
THREADS_PER_WORKER = 16
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 15.0
ROOT = Path(__file__).parent.parent


class ServiceFailed(Exception):
    """A service could not be seeded or started; the message ends with what it printed."""


@dataclass(frozen=True)
class Place:
    """Where one start of a service lives: all its files, its port, its worker processes.

    `pid` (of the process that started the workers) and `ready_after_s` (from the start of that
    process to its first answer) are known once it runs.
    """

    folder: Path
    port: int
    workers: int
    pid: int = 0
    ready_after_s: float = 0.0

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def products(self) -> Path:
        return self.folder / "products.csv"

    @property
    def log(self) -> Path:
        return self.folder / "log.txt"


@dataclass(frozen=True)
class Launch:
    """How a service is started: its environment, the command that seeds it (if any), and it."""

    environment: dict[str, str]
    seed: list[str] | None
    serve: list[str]


def daybook(place: Place) -> Launch:
    """Daybook as its users start it; `flask serve` starts Granian itself."""
    environment = {
        "DAYBOOK_DATA": str(place.data),
        "DAYBOOK_HOST": HOST,
        "DAYBOOK_PORT": str(place.port),
        "DAYBOOK_WORKERS": str(place.workers),
    }
    return Launch(
        environment,
        seed=_python("flask", "import", "products", str(place.products)),
        serve=_python("flask", "serve"),
    )


def sqlalchemy(place: Place) -> Launch:
    """The peer on SQLite; seeding creates its tables before the workers race for it."""
    app = "bench.peers.flask_sqlalchemy:create_app"
    return Launch(
        {"PEER_DATA": str(place.data)},
        seed=_python("flask", "--app", app, "import-products", str(place.products)),
        serve=_granian(app, place),
    )


def sqlalchemy_queued(place: Place) -> Launch:
    """The same peer with its writers in a queue: the most that its design gives."""
    plain = sqlalchemy(place)
    return replace(plain, environment={**plain.environment, "PEER_QUEUE": "on"})


def echo(place: Place) -> Launch:
    """The ceiling; it keeps nothing."""
    return Launch({}, seed=None, serve=_granian("bench.peers.flask_echo:create_app", place))


SERVICES: dict[str, Callable[[Place], Launch]] = {
    "daybook": daybook,
    "sqlalchemy": sqlalchemy,
    "sqlalchemy-queued": sqlalchemy_queued,
    "echo": echo,
}


@contextmanager
def running(
    service: str,
    workers: int,
    work: Path,
    fill: Callable[[Place], None] | None = None,
) -> Iterator[Place]:
    """Run a freshly seeded `service` of SERVICES for the length of the block.

    `fill` seeds it in place of the service's own command. Its data lie in a new folder under
    `work`, and stay. Raises ServiceFailed when seeding fails, or when it doesn't answer within
    START_TIMEOUT_S.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"{service}-", dir=work))
    place = Place(folder, _free_port(), workers)
    place.data.mkdir()
    launch = SERVICES[service](place)
    environment = _environment(launch)
    if fill:
        fill(place)
    else:
        _seed(launch, place, environment)
    began = time.monotonic()
    with place.log.open("ab") as log:
        process = subprocess.Popen(
            launch.serve,
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait_until_it_answers(process, place)
        yield replace(place, pid=process.pid, ready_after_s=time.monotonic() - began)
    finally:
        _stop(process)


@contextmanager
def work_folder(parent: Path | None) -> Iterator[Path]:
    """A folder for all runs of a measurement, under `parent` (None: the system's); removed after.

    Let five minutes pass before the next measurement (see the top of this file).
    """
    with tempfile.TemporaryDirectory(prefix="daybook-bench-", dir=parent) as folder:
        yield Path(folder)


def _python(*arguments: str) -> list[str]:
    return [sys.executable, "-m", *arguments]


def _granian(app: str, place: Place) -> list[str]:
    settings = {
        "--interface": "wsgi",
        "--host": HOST,
        "--port": str(place.port),
        "--workers": str(place.workers),
        "--blocking-threads": str(THREADS_PER_WORKER),
    }
    flat = [word for setting in settings.items() for word in setting]
    return _python("granian", "--factory", *flat, app)


def _environment(launch: Launch) -> dict[str, str]:
    """The caller's, less any setting that would make one service differ from the others."""
    foreign = ("DAYBOOK_", "GRANIAN_", "FLASK_")
    kept = {name: text for name, text in os.environ.items() if not name.startswith(foreign)}
    return kept | launch.environment


def _seed(launch: Launch, place: Place, environment: dict[str, str]) -> None:
    if launch.seed is None:
        return
    write_products(place.products)
    done = subprocess.run(
        launch.seed, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ServiceFailed(f"seeding failed:\n{done.stdout}{done.stderr}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_it_answers(process: subprocess.Popen[bytes], place: Place) -> None:
    give_up_at = time.monotonic() + START_TIMEOUT_S
    while not _answers(place.port):
        if process.poll() is not None or time.monotonic() > give_up_at:
            printed = place.log.read_text(encoding="utf-8", errors="replace")
            raise ServiceFailed(f"it did not start:\n{printed[-4000:]}")
        time.sleep(0.05)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/order?limit=1")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Terminate, then kill what is left of the process group, which holds the workers too."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_TIMEOUT_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
