"""Helpers that write journals, read their segments and damage them."""

from pathlib import Path

from app.store.files.checkpointer import Checkpointer
from app.store.files.store import JsonFileStore
from tests.store.shop import COLLECTIONS, order, put_orders


def segments(folder: Path) -> list[Path]:
    """The segments of the journal, in order."""
    return sorted((folder / "journal").glob("*.ndjson"))


def journal_of(folder: Path, names: str) -> list[int]:
    """Place an order for each letter, without a checkpoint; returns the offset of each line."""
    store = JsonFileStore(folder, COLLECTIONS)
    starts = []
    for name in names:
        starts.append(segments(folder)[-1].stat().st_size)
        put_orders(store, order(name))
    store.close()
    return starts


def two_segments(folder: Path, names: str) -> list[int]:
    """Do as `journal_of`, and add a second, empty segment after the last order."""
    starts = journal_of(folder, names)
    store = JsonFileStore(folder, COLLECTIONS)
    with store.exclusive_write():
        store.replica.rotate(store.replica.file_records())
    store.close()
    return starts


def spoil(path: Path, offset: int, byte: bytes = b"#") -> None:
    """Overwrite one byte."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(byte)


def checkpoint(store: JsonFileStore) -> None:
    """Bring the readable files up to date."""
    assert Checkpointer(store).checkpoint()
