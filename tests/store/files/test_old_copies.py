"""Copies of old documents that upgrades, repairs and crashes leave in the data folder go."""

from pathlib import Path

import pytest

from app.kernel.errors import Unavailable
from app.store.files.tools.old_copies import remove_old_copies
from tests.store.conftest import OpenStore
from tests.store.faults import read_only
from tests.store.shop import order, put_orders


@pytest.fixture
def shop(folder: Path, open_store: OpenStore) -> Path:
    """A data folder with two copies of order `a`, one of order `b`, and a torn tail."""
    put_orders(open_store(), order("a"))
    for name, key in (("before-upgrade-to-1", "a"), ("damaged-1", "a"), ("damaged-2", "b")):
        (folder / name / "journal").mkdir(parents=True)
        (folder / name / "journal" / "00000001.ndjson").write_text(f'{{"order_id":"{key}-key"}}')
        (folder / name / "journal" / "00000002.ndjson").touch()
    (folder / "journal" / "00000001.torn-at-9").write_text('{"custo')
    return folder


def test_copies_with_an_order_are_removed(shop: Path) -> None:
    """Copies that have one of the keys go whole, torn tails in any case; others stay."""
    removed = remove_old_copies(shop, ["x-key", "a-key"])
    assert removed == ["before-upgrade-to-1/", "damaged-1/", "journal/00000001.torn-at-9"]
    assert not any((shop / name.rstrip("/")).exists() for name in removed)
    assert (shop / "damaged-2" / "journal" / "00000001.ndjson").exists()
    assert remove_old_copies(shop, ["x-key", "a-key"]) == []


def test_copies_with_a_text_are_removed_in_any_case(shop: Path) -> None:
    """An address is typed in capitals here, and in small letters there."""
    copy = shop / "damaged-2" / "journal" / "00000001.ndjson"
    copy.write_text('{"customer_email":"Zoë.X@example.org"}')
    assert "damaged-2/" not in remove_old_copies(shop, [], "zoëyx@example.org")
    assert remove_old_copies(shop, [], "zoë.x@EXAMPLE.org") == ["damaged-2/"]
    assert (shop / "damaged-1").exists()


def test_a_copy_that_cannot_be_removed_is_reported(shop: Path) -> None:
    """The error says what the command was doing."""
    with read_only(shop / "damaged-1" / "journal"), pytest.raises(Unavailable):
        remove_old_copies(shop, ["a-key"])
