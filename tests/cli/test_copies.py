"""A shop moves between files and PostgreSQL, and a backup of either is restored to either."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from flask.testing import FlaskClient

from app import create_app
from app.config import Config
from app.config.readers import FILES
from app.server.runtime import Runtime
from app.system.disk import make_folder, write_new
from tests.conftest import PATIENCE_S
from tests.over_http import place, read

AGREES = "1 orders and 4 products were compared.\nEverything agrees.\n"


@pytest.fixture(params=["files", "postgresql"])
def config(config: Config, request: pytest.FixtureRequest) -> Config:
    """A shop on files, and one on PostgreSQL."""
    if request.param == "files":
        return config
    return replace(config, store=request.getfixturevalue("postgresql_url"))


@pytest.fixture
def other(config: Config, tmp_path: Path, request: pytest.FixtureRequest) -> Config:
    """The other kind of store, without a shop, and with another data folder."""
    store = request.getfixturevalue("postgresql_url") if config.store == FILES else FILES
    return replace(config, store=store, data=tmp_path / "new")


@pytest.fixture
def number(
    client: FlaskClient, catalogue: dict[str, str], settled: Callable[[], None], runtime: Runtime
) -> int:
    """The number of the one order of the shop, which is stopped and has a picture, too."""
    number = place_order(client)
    settled()
    runtime.close()
    make_folder(runtime.config.data / "pictures")
    write_new(runtime.config.data / "pictures/tea.webp", b"tea")
    return number


def flask(config: Config, *words: object) -> Result:
    """Give a command to a shop."""
    runner = create_app(config).test_cli_runner()
    return runner.invoke(args=[str(word) for word in words])


def place_order(client: FlaskClient) -> int:
    """Place an order; returns its number."""
    return int(read(client, f"/order/{place(client, tea=1)['order_id']}")["number"])


def place_next(config: Config) -> int:
    """Place another order; returns its number."""
    app = create_app(config)
    with closing(app.extensions["daybook"]):
        return place_order(app.test_client())


def test_a_shop_moves(config: Config, other: Config, number: int) -> None:
    """Numbers go on; pictures go along, or stay in the same folder. The old shop stays."""
    target = other.data if other.store == FILES else other.store
    result = flask(config, "migrate", "--to", target)
    assert (result.exit_code, result.stderr) == (0, "")
    assert " documents were copied, and each was compared.\nSet DAYBOOK_STORE" in result.output
    if other.store == FILES:
        assert (other.data / "pictures/tea.webp").read_bytes() == b"tea"
    for shop in (config, other):
        assert flask(shop, "check").output.endswith(AGREES)
        assert place_next(shop) == number + 1


def test_a_backup_is_restored_to_the_other_store(
    config: Config, other: Config, number: int, tmp_path: Path
) -> None:
    """With pictures, and once: a shop is not replaced."""
    result = flask(config, "backup", tmp_path / "monday")
    assert (result.exit_code, result.stderr) == (0, "")
    result = flask(other, "restore", tmp_path / "monday")
    assert (result.exit_code, result.stderr) == (0, "")
    assert flask(other, "check").output.endswith(AGREES)
    assert place_next(other) == number + 1
    assert (other.data / "pictures/tea.webp").read_bytes() == b"tea"
    result = flask(other, "restore", tmp_path / "monday")
    assert result.exit_code == 2
    assert "nothing is overwritten" in result.stderr


@pytest.mark.usefixtures("catalogue")
def test_a_running_shop_does_not_move(config: Config, runtime: Runtime, tmp_path: Path) -> None:
    """It would go on without what it takes meanwhile."""
    assert runtime.store.lease_shards(timeout_s=PATIENCE_S)
    result = flask(replace(config, lock_timeout=0.1), "migrate", "--to", tmp_path / "new")
    assert (result.exit_code, result.stderr) == (
        2,
        "Error: The service is running; stop it, then run `flask migrate` again.\n",
    )
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("config", ["files"], indirect=True)
@pytest.mark.usefixtures("catalogue")
@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("postgresql://shop:secret@db/shop", "A command line shows a password to every user"),
        ("mysql://shop@db/shop", "must be a folder, or a URL such as postgresql://"),
        ("postgresql://[db/shop", "must be a folder, or a URL such as postgresql://"),
        ("{data}", "exists already; give a new name."),
    ],
)
def test_a_wrong_target_is_refused(config: Config, target: str, reason: str) -> None:
    """With a sentence, and without the password."""
    result = flask(config, "migrate", "--to", target.format(data=config.data))
    assert result.exit_code == 2
    assert reason in result.stderr
    assert "secret" not in result.stderr
