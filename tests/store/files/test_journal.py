"""The journal after crashes and damage: torn tails are cut, damage is refused."""

import random
from pathlib import Path

import google_crc32c
import orjson
import pytest

from app.kernel.errors import Damaged
from app.store.files.tools.verify import verify
from app.store.files.wal.format import encode_transaction
from tests.store.conftest import OpenStore
from tests.store.journal_lines import checkpoint, journal_of, segments, spoil, two_segments
from tests.store.shop import COLLECTIONS, all_orders, order, put_orders
from tests.transactions import transaction


def torn_copies(folder: Path) -> list[bytes]:
    """The copies of torn tails."""
    return [path.read_bytes() for path in sorted((folder / "journal").glob("*.torn-at-*"))]


def lines(path: Path) -> list[bytes]:
    """The lines of a segment."""
    return path.read_bytes().splitlines()


def test_each_line_begins_with_its_checksum(folder: Path) -> None:
    """Every line is JSON whose first member is the CRC-32C of what follows the first comma."""
    journal_of(folder, "ab")
    for line in lines(segments(folder)[-1]):
        crc, _, rest = line.partition(b",")
        assert crc == b'{"crc":"%08x"' % google_crc32c.value(rest)
        assert orjson.loads(line)["crc"] == f"{google_crc32c.value(rest):08x}"


def test_transaction_is_one_line(folder: Path, open_store: OpenStore) -> None:
    """One line holds the documents of all collections that were put and the keys deleted."""
    journal_of(folder, "ab")
    store = open_store()
    with transaction(store) as tx:
        tx.put("orders", order("a", total="2"))
        tx.put("notes", {"note_id": "n"})
        tx.delete("orders", "b")
    line = orjson.loads(lines(segments(folder)[-1])[-1])
    assert line == {
        "crc": line["crc"],
        "seq": 3,
        "durable": 2,
        "put": {"orders": [order("a", total="2")], "notes": [{"note_id": "n"}]},
        "delete": {"orders": ["b"]},
    }


def test_transaction_that_changes_nothing_writes_nothing(
    folder: Path, open_store: OpenStore
) -> None:
    """A transaction that only reads leaves the journal as it is."""
    store = open_store()
    before = segments(folder)[-1].read_bytes()
    with transaction(store) as tx:
        tx.get("orders", "a")
        tx.delete("orders", "a")
    assert segments(folder)[-1].read_bytes() == before


def test_torn_last_line_is_set_aside(folder: Path, open_store: OpenStore) -> None:
    """Cut at any byte, the last order is removed and copied, and all before it stay."""
    start = journal_of(folder, "abc")[-1]
    path = segments(folder)[-1]
    whole = path.read_bytes()
    for end in range(start + 1, len(whole)):
        path.write_bytes(whole[:end])
        for copy in (folder / "journal").glob("*.torn-at-*"):
            copy.unlink()
        store = open_store()
        assert all_orders(store) == {"a": order("a"), "b": order("b")}
        store.close()
        assert path.read_bytes() == whole[:start]
        assert torn_copies(folder) == [whole[start:end]]


def test_torn_published_line_is_no_damage(folder: Path, open_store: OpenStore) -> None:
    """A `published` line cut at any byte, also just before its newline, is a torn tail."""
    store = open_store()
    put_orders(store, order("a"))
    checkpoint(store)
    store.close()
    path = segments(folder)[-1]
    whole = path.read_bytes()
    start = whole.index(b"\n") + 1
    assert b'"published":' in whole[start:]
    for end in range(start + 1, len(whole)):
        path.write_bytes(whole[:end])
        assert [each.heals for each in verify(folder, COLLECTIONS).faults] == [True]
        store = open_store()
        assert all_orders(store) == {"a": order("a")}
        store.close()
        assert path.read_bytes() == whole[:start]


@pytest.mark.parametrize("keep", [0, 1, 20, 60])
@pytest.mark.parametrize("zeros", [1, 512, 5000])
def test_tail_of_zeros_is_cut(
    folder: Path, open_store: OpenStore, *, keep: int, zeros: int
) -> None:
    """A file system may have extended the file without writing: zeros at the end are no damage."""
    start = journal_of(folder, "abc")[-1]
    path = segments(folder)[-1]
    path.write_bytes(path.read_bytes()[: start + keep] + bytes(zeros))
    store = open_store()
    assert sorted(all_orders(store)) == ["a", "b"]
    put_orders(store, order("d"))
    store.close()
    assert sorted(all_orders(open_store())) == ["a", "b", "d"]


def test_cut_tail_is_logged(
    folder: Path, open_store: OpenStore, caplog: pytest.LogCaptureFixture
) -> None:
    """The warning names the file to which the tail was copied."""
    start = journal_of(folder, "abc")[-1]
    path = segments(folder)[-1]
    path.write_bytes(path.read_bytes()[: start + 20])
    open_store()
    (message,) = caplog.messages
    assert message == (
        f"journal/{path.name} ended in an unfinished entry, which was never acknowledged; "
        f"its 20 bytes are set aside in journal/{path.stem}.torn-at-{start}"
    )


def test_writing_goes_on_after_a_cut(folder: Path, open_store: OpenStore) -> None:
    """After a torn tail a running process and a new one can both write."""
    running = open_store()
    start = journal_of(folder, "abc")[-1]
    path = segments(folder)[-1]
    path.write_bytes(path.read_bytes()[: start + 30])
    assert sorted(all_orders(running)) == ["a", "b"]
    put_orders(running, order("d"))
    put_orders(open_store(), order("e"))
    assert sorted(all_orders(running)) == ["a", "b", "d", "e"]


def test_any_unsynced_blocks_may_be_lost(folder: Path, open_store: OpenStore) -> None:
    """When any selection of unsynced blocks survives, it is no damage, and no order is half."""
    journal_of(folder, "ab")
    path = segments(folder)[-1]
    synced = path.read_bytes()
    unsynced = b"".join(
        encode_transaction(seq, 2, {"orders": [orjson.dumps(order(f"u{seq}", x="x" * 99))]}, {})
        for seq in range(3, 11)
    )
    chance = random.Random(1)
    for _ in range(60):
        tail = bytearray(unsynced[: chance.randrange(len(unsynced))])
        for begin in range(0, len(tail), 64):
            if chance.random() < 0.2:
                tail[begin : begin + 64] = bytes(len(tail[begin : begin + 64]))
        path.write_bytes(synced + tail)
        store = open_store()
        found = sorted(all_orders(store))
        store.close()
        assert found == ["a", "b", *(f"u{seq}" for seq in range(3, len(found) + 1))]


@pytest.mark.parametrize("place", [0, 1])
def test_damage_before_an_intact_line_is_refused(
    folder: Path, open_store: OpenStore, *, place: int
) -> None:
    """A bad line that no crash explains is refused with file and byte, and nothing is cut."""
    starts = journal_of(folder, "abc")
    path = segments(folder)[-1]
    spoil(path, starts[place] + 40)
    before = path.read_bytes()
    with pytest.raises(Damaged, match=rf"journal/{path.name} is damaged at byte {starts[place]}:"):
        open_store()
    assert path.read_bytes() == before


def test_damage_at_the_end_of_an_older_segment_is_refused(
    folder: Path, open_store: OpenStore
) -> None:
    """A segment with a successor was synced, so a bad last line in it is damage."""
    starts = two_segments(folder, "abc")
    path = segments(folder)[0]
    spoil(path, starts[-1] + 40)
    with pytest.raises(Damaged, match=rf"journal/{path.name} is damaged at byte {starts[-1]}:"):
        open_store()


def test_damage_is_refused_while_running(folder: Path, open_store: OpenStore) -> None:
    """A running process refuses to write after damage, and goes on reading."""
    running = open_store()
    put_orders(running, order("z"))
    starts = journal_of(folder, "abc")
    path = segments(folder)[-1]
    spoil(path, starts[0] + 40)
    with pytest.raises(Damaged, match=f"byte {starts[0]}:"):
        put_orders(running, order("d"))
    assert sorted(all_orders(running)) == ["z"]


def test_missing_line_is_refused(folder: Path, open_store: OpenStore) -> None:
    """A gap in the sequence numbers of intact lines is damage."""
    starts = journal_of(folder, "abc")
    path = segments(folder)[-1]
    whole = path.read_bytes()
    path.write_bytes(whole[: starts[1]] + whole[starts[2] :])
    with pytest.raises(Damaged, match=f"byte {starts[1]}: transaction 3 follows 1"):
        open_store()


@pytest.mark.parametrize("change", ["shorter", "gone", "another"])
def test_journal_changed_under_the_service_is_refused(
    folder: Path, open_store: OpenStore, change: str
) -> None:
    """A running service stops writing when its journal is cut, removed or replaced."""
    store = open_store()
    put_orders(store, order("a"))
    path = segments(folder)[-1]
    if change == "shorter":
        path.write_bytes(path.read_bytes()[:-10])
    else:
        whole = path.read_bytes()
        path.unlink()
        if change == "another":
            path.write_bytes(whole)
    with pytest.raises(Damaged, match=f"journal/{path.name} was replaced, cut short or removed"):
        put_orders(store, order("b"))
    assert sorted(all_orders(store)) == ["a"]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_missing_segment_is_refused(folder: Path, open_store: OpenStore, *, place: int) -> None:
    """Whether the first, the last or another segment is missing, the start refuses."""
    two_segments(folder, "abc")
    store = open_store()
    put_orders(store, order("d"))
    with store.exclusive_write():
        store.replica.rotate(store.replica.file_records())
    store.close()
    segments(folder)[place].unlink()
    with pytest.raises(Damaged, match=r"(?i)journal.*backup"):
        open_store()


def test_segment_without_a_header_is_refused(folder: Path, open_store: OpenStore) -> None:
    """The error names the segment whose header cannot be read."""
    journal_of(folder, "a")
    path = segments(folder)[-1]
    spoil(path, 20)
    with pytest.raises(Damaged, match=f"journal/{path.name} has no readable header"):
        open_store()
