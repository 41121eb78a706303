"""Only the owner of a data folder writes in it: the shop could not read another user's files."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.store.files.disk.owner import OtherUser
from app.store.files.store import JsonFileStore
from app.store.files.tools.adopt_edits import adopt_edits
from app.store.files.tools.backup import backup
from app.store.files.tools.repair import repair_folder
from app.store.files.tools.restore import restore
from tests.store.conftest import OpenStore
from tests.store.faults import no_rights
from tests.store.journal_lines import checkpoint, segments, spoil
from tests.store.shop import COLLECTIONS, order, put_orders

STRANGER = 54321
ROOT = 0

Command = Callable[[Path, Any], object]


@pytest.fixture
def shop(folder: Path, open_store: OpenStore) -> Path:
    """A closed folder with one order in a checkpoint file and another in the journal."""
    store = open_store()
    put_orders(store, order("a"))
    checkpoint(store)
    put_orders(store, order("b"))
    store.close()
    return folder


@pytest.fixture
def run_as(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """A function that makes this process look like one of another user."""
    return lambda user: monkeypatch.setattr(os, "geteuid", lambda: user)


@pytest.fixture
def give_away(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, int], None]:
    """A function that makes a folder look like another user's; only some may really change that."""
    stat = os.stat

    def give(folder: Path, user: int) -> None:
        def stat_of_another(path: Any, **options: Any) -> os.stat_result:
            found = stat(path, **options)
            if path != folder:
                return found
            mode, inode, device, links, _user, *others = found
            return os.stat_result((mode, inode, device, links, user, *others))

        monkeypatch.setattr(os, "stat", stat_of_another)

    return give


def contents(folder: Path) -> dict[Path, bytes]:
    """Every file, by its path."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("command", [JsonFileStore, adopt_edits, repair_folder])
def test_another_user_writes_nothing(
    shop: Path, run_as: Callable[[int], None], command: Command
) -> None:
    """The error names the owner, and not a file is touched, whatever the command."""
    spoil(segments(shop)[-1], 2)  # which is what a repair is for
    before = contents(shop)
    run_as(STRANGER)
    with pytest.raises(OtherUser, match=rf"data/ belongs to .*#{STRANGER} writes there"):
        command(shop, COLLECTIONS)
    assert contents(shop) == before


def test_a_folder_that_is_closed_to_this_user_names_its_owner(
    shop: Path, run_as: Callable[[int], None]
) -> None:
    """The folder of a shop has mode 0700, so that others cannot even look at its journal."""
    with no_rights(shop):
        run_as(STRANGER)
        with pytest.raises(OtherUser, match="data/ belongs to"):
            JsonFileStore(shop, COLLECTIONS)


def test_a_folder_that_lost_its_journal_keeps_its_owner(
    shop: Path, run_as: Callable[[int], None]
) -> None:
    """A repair by root would give the shop a journal of root's."""
    for path in (*segments(shop), shop / "journal"):
        path.unlink() if path.is_file() else path.rmdir()
    run_as(STRANGER)
    with pytest.raises(OtherUser):
        repair_folder(shop, COLLECTIONS)


def test_root_restores_no_shop_for_another_user(
    shop: Path,
    tmp_path: Path,
    open_store: OpenStore,
    run_as: Callable[[int], None],
    give_away: Callable[[Path, int], None],
) -> None:
    """A folder of root's inside the service's own would keep the service from starting."""
    assert backup(open_store(), tmp_path / "copy")
    service = tmp_path / "service"
    service.mkdir()
    give_away(service, STRANGER)
    run_as(ROOT)
    with pytest.raises(OtherUser, match="data/ belongs to"):
        restore(tmp_path / "copy", service / "data", COLLECTIONS)
    assert not list(service.iterdir())


def test_other_users_restore_wherever_they_may_write(
    shop: Path, tmp_path: Path, open_store: OpenStore, run_as: Callable[[int], None]
) -> None:
    """The restored folder is then theirs, like a new shop that they begin."""
    assert backup(open_store(), tmp_path / "copy")
    run_as(STRANGER)
    restore(tmp_path / "copy", tmp_path / "other" / "data", COLLECTIONS)
    assert (tmp_path / "other/data/orders.json").read_bytes() == (shop / "orders.json").read_bytes()
