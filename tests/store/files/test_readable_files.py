"""The readable files: JSON that people and jq can read, complete, with records in the journal."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import google_crc32c
import pytest

from app.kernel.errors import Damaged, StorageFull
from app.store import Document
from app.store.files.checkpointer import Checkpointer
from app.store.files.disk.locks import ProcessLock
from tests.durability.disk import SYNC, Disk
from tests.processes.servers import wait_for
from tests.store.conftest import PATIENCE_S, OpenStore
from tests.store.faults import full_disk
from tests.store.journal_lines import checkpoint, segments
from tests.store.shop import all_orders, get_order, note, order, put_orders
from tests.transactions import transaction

NAMES = ["10", "9", "Über", 'quo"te', "a", "a b", "ab", "\u2028"]


def header(segment: Path) -> dict[str, dict[str, dict[str, object]]]:
    """The first line of a segment."""
    first: dict[str, dict[str, dict[str, object]]] = json.loads(
        segment.read_bytes().split(b"\n")[0]
    )
    return first


def test_new_folder_has_an_empty_file_for_each_collection(
    folder: Path, open_store: OpenStore
) -> None:
    """Before the first order each collection has a file with an empty JSON array."""
    open_store()
    texts = {path.name: path.read_text() for path in folder.glob("*.json")}
    assert texts == dict.fromkeys(["orders.json", "notes.json", "counters.json"], "[\n]\n")


def test_file_is_a_json_array_with_a_document_a_line(folder: Path, open_store: OpenStore) -> None:
    """The file is valid JSON; each line but the first and last is one document, sorted by key."""
    store = open_store()
    put_orders(store, *(order(name, text="line\nbreak") for name in NAMES))
    assert Checkpointer(store).checkpoint()
    data = (folder / "orders.json").read_bytes()
    first, *lines, last, end = data.split(b"\n")
    assert (first, last, end) == (b"[", b"]", b"")
    documents = [json.loads(line.removesuffix(b",")) for line in lines]
    assert json.loads(data) == documents
    assert {each["order_id"] for each in documents} == set(NAMES)
    keys = [json.dumps(each["order_id"], ensure_ascii=False).encode() for each in documents]
    assert keys == sorted(keys)


@pytest.mark.skipif(not shutil.which("jq"), reason="jq is not installed")
def test_file_can_be_read_with_jq(folder: Path, open_store: OpenStore) -> None:
    """`jq length` counts the orders, as the README shows."""
    store = open_store()
    put_orders(store, *(order(name) for name in NAMES))
    Checkpointer(store).checkpoint()
    counted = subprocess.run(
        ["jq", "length", str(folder / "orders.json")], capture_output=True, check=True
    )
    assert counted.stdout == b"8\n"


def test_every_key_is_found_in_the_file(open_store: OpenStore) -> None:
    """After a checkpoint each document is found by its key, and no other key is."""
    store = open_store()
    put_orders(store, *(order(name, total=str(n)) for n, name in enumerate(NAMES)))
    Checkpointer(store).checkpoint()
    with store.read() as view:
        found = [view.get("orders", name) for name in NAMES]
        assert found == [order(name, total=str(n)) for n, name in enumerate(NAMES)]
        for name in ["", "0", "a ", "abc", "a b ", "zzz", "\u2029", "["]:
            assert view.get("orders", name) is None


def test_every_key_is_found_in_a_long_file(open_store: OpenStore) -> None:
    """In a file of many blocks every key is found, also escaped ones, and no other key is."""
    store = open_store()
    names = [f"{name}-{n:03}" for name in NAMES for n in range(0, 1000, 2)]
    put_orders(store, *(order(name) for name in names))
    assert Checkpointer(store).checkpoint()
    assert all(get_order(store, name) for name in names)
    others = [f"{name}-{n:03}" for name in ("", *NAMES, "zzz") for n in range(1, 1000, 50)]
    assert not any(get_order(store, name) for name in others)


def test_scan_merges_the_file_and_newer_documents(open_store: OpenStore) -> None:
    """A scan returns documents of the file and of memory in the order of their keys."""
    store = open_store()
    put_orders(store, *(order(f"id-{n:03}") for n in range(0, 500, 2)))
    assert Checkpointer(store).checkpoint()
    put_orders(store, order("id-101"), order("id-104", number=1))
    with transaction(store) as tx:
        tx.delete("orders", "id-102")
    with store.read() as view:
        found = view.scan("orders", "id-098", 4)
    assert [each["order_id"] for each in found] == ["id-100", "id-101", "id-104", "id-106"]
    assert found[2]["number"] == 1


def test_scan_finds_every_key_whatever_its_order(open_store: OpenStore) -> None:
    """The file orders them by their JSON: `"a!"` comes before `"a"`."""
    store = open_store()
    put_orders(store, *(order(key) for key in ("a", 'a"', "!", "a!")))
    assert Checkpointer(store).checkpoint()
    put_orders(store, *(order(key) for key in ("a b", "a#", "a\\")))
    found, after = list[str](), ""
    with store.read() as view:
        while page := view.scan("orders", after, 1):
            after = page[0]["order_id"]
            found.append(after)
    assert found == ["!", "a b", "a!", "a", "a#", 'a"', "a\\"]


def test_checkpoint_merges_changes_into_the_file(folder: Path, open_store: OpenStore) -> None:
    """Documents added, changed and deleted anywhere in the file are merged, down to none."""
    store = open_store()
    checkpointer = Checkpointer(store)
    expected: dict[int, Document] = {}
    for step in range(1, 9):
        with transaction(store) as tx:
            for n in range(0, 40, step):
                if n in expected and (n + step) % 3 == 0:
                    tx.delete("orders", f"{n:02}")
                    del expected[n]
                else:
                    expected[n] = order(f"{n:02}", total=str(step))
                    tx.put("orders", expected[n])
        checkpointer.checkpoint()
        documents = json.loads((folder / "orders.json").read_bytes())
        assert documents == [expected[n] for n in sorted(expected)]
    with transaction(store) as tx:
        for key in list(tx.keys("orders")):
            tx.delete("orders", key)
    checkpointer.checkpoint()
    assert (folder / "orders.json").read_text() == "[\n]\n"


def test_header_records_every_file(folder: Path, open_store: OpenStore) -> None:
    """After a checkpoint the newest header has count, length and checksum of each file."""
    store = open_store()
    put_orders(store, order("a"), order("b"))
    with transaction(store) as tx:
        note(tx, "n")
    Checkpointer(store).checkpoint()
    records = header(segments(folder)[-1])["files"]
    assert {name: record["documents"] for name, record in records.items()} == {
        "orders": 2,
        "notes": 1,
        "counters": 0,
    }
    for name, record in records.items():
        data = (folder / f"{name}.json").read_bytes()
        assert record["bytes"] == len(data)
        assert record["crc32c"] == f"{google_crc32c.value(data):08x}"
        assert record["covers"] == 2


def test_journal_is_dropped_once_the_files_have_it(folder: Path, open_store: OpenStore) -> None:
    """After any number of checkpoints two segments are left, without the covered documents."""
    store = open_store()
    for n in range(4):
        put_orders(store, order(f"order-{n}"))
        Checkpointer(store).checkpoint()
    assert [path.name for path in segments(folder)] == ["00000008.ndjson", "00000009.ndjson"]
    assert not any(b"order-" in path.read_bytes() for path in segments(folder))


def test_checkpoint_without_changes_writes_nothing(folder: Path, open_store: OpenStore) -> None:
    """When the files have everything, they and the newest segment stay; no older one is left."""
    store = open_store()
    put_orders(store, order("a"))
    Checkpointer(store).checkpoint()
    before = [path.stat().st_ino for path in (folder / "orders.json", segments(folder)[-1])]
    Checkpointer(store).checkpoint()
    assert [path.stat().st_ino for path in [folder / "orders.json", *segments(folder)]] == before


def test_unchanged_file_is_not_written_again(folder: Path, open_store: OpenStore) -> None:
    """A checkpoint writes only the files of collections that changed."""
    store = open_store()
    before = (folder / "notes.json").stat().st_ino
    put_orders(store, order("a"))
    Checkpointer(store).checkpoint()
    assert (folder / "notes.json").stat().st_ino == before


def test_files_are_updated_in_the_background(folder: Path, open_store: OpenStore) -> None:
    """A started checkpointer brings the files up to date when the service is idle."""
    store = open_store()
    checkpointer = Checkpointer(store)
    checkpointer.start()
    put_orders(store, order("a"))
    path = folder / "orders.json"
    wait_for("orders.json is updated", lambda: json.loads(path.read_bytes()) == [order("a")])
    checkpointer.close()
    assert checkpointer.last_error is None


def test_closing_brings_the_files_up_to_date(folder: Path, open_store: OpenStore) -> None:
    """`close` writes a last checkpoint."""
    store = open_store()
    put_orders(store, order("a"))
    Checkpointer(store).close()
    assert json.loads((folder / "orders.json").read_bytes()) == [order("a")]


def test_iteration_continues_in_a_replaced_file(open_store: OpenStore) -> None:
    """An iteration over keys continues when the file is replaced meanwhile."""
    store = open_store()
    put_orders(store, *(order(name) for name in NAMES))
    Checkpointer(store).checkpoint()
    with store.read() as view:
        keys = view.keys("orders")
        next(keys)
    put_orders(store, order("new"))
    Checkpointer(store).checkpoint()
    assert len(list(keys)) == len(NAMES) - 1


def test_file_edited_while_the_service_runs_is_not_overwritten(
    folder: Path, open_store: OpenStore
) -> None:
    """A checkpoint refuses to overwrite a person's edit; orders go on into the journal."""
    store = open_store()
    put_orders(store, order("a"))
    Checkpointer(store).checkpoint()
    edited = (folder / "orders.json").read_text().replace('"1"', '"2"')
    (folder / "edited").write_text(edited)
    (folder / "edited").replace(folder / "orders.json")
    put_orders(store, order("b"))
    with pytest.raises(Damaged, match=r"orders\.json.*flask check --accept"):
        Checkpointer(store).checkpoint()
    assert (folder / "orders.json").read_text() == edited
    put_orders(store, order("c"))
    assert get_order(store, "a") == order("a")
    assert sorted(all_orders(store)) == ["a", "b", "c"]


def test_damaged_file_is_not_copied_into_the_next_one(folder: Path, open_store: OpenStore) -> None:
    """A checkpoint verifies the checksum of the old file before it writes the next one."""
    store = open_store()
    put_orders(store, order("a"))
    Checkpointer(store).checkpoint()
    path = folder / "orders.json"
    shown = path.stat()
    with path.open("r+b") as file:
        file.seek(shown.st_size // 2)
        file.write(b"#")
    _set_time(path, shown.st_mtime_ns)
    put_orders(store, order("b"))
    with pytest.raises(Damaged, match=r"orders\.json was damaged"):
        Checkpointer(store).checkpoint()


def test_two_checkpointers_take_turns(folder: Path, open_store: OpenStore) -> None:
    """While one process writes a checkpoint, another one's `checkpoint` returns False."""
    first, second = open_store(), open_store()
    put_orders(first, order("a"))
    lock = _hold(folder / "checkpoint.lock")
    assert not Checkpointer(second).checkpoint()
    lock.release()
    assert Checkpointer(second).checkpoint()
    assert all_orders(first) == {"a": order("a")}


def _hold(path: Path) -> ProcessLock:
    lock = ProcessLock(path)
    assert lock.acquire()
    return lock


def _set_time(path: Path, modified_ns: int) -> None:
    os.utime(path, ns=(modified_ns, modified_ns))


def test_failed_checkpoints_are_logged_once(
    folder: Path, open_store: OpenStore, caplog: pytest.LogCaptureFixture
) -> None:
    """Without room a checkpoint fails, is logged once, and the next one is complete."""
    store = open_store()
    checkpointer = Checkpointer(store)
    put_orders(store, order("a", text="x" * 5000))
    with full_disk(4000):
        checkpointer.start()
        wait_for("it fails", lambda: isinstance(checkpointer.last_error, StorageFull))
        checkpointer.close()
    Checkpointer(store).close()
    assert len(json.loads((folder / "orders.json").read_bytes())) == 1
    assert len([each for each in caplog.messages if "files are behind" in each]) == 1


def test_checkpointer_stops_at_a_damaged_journal(folder: Path, open_store: OpenStore) -> None:
    """It writes no file from a damaged journal; `last_error` says what is damaged."""
    store = open_store()
    put_orders(store, order("a"))
    segment = segments(folder)[-1]
    last = segment.read_bytes().splitlines(keepends=True)[-1]
    with segment.open("ab") as journal:
        journal.write(last)
    before = (folder / "orders.json").read_bytes()
    checkpointer = Checkpointer(store)
    checkpointer.start()
    wait_for("it fails", lambda: isinstance(checkpointer.last_error, Damaged))
    checkpointer.close()
    assert "transaction 1 follows 1" in str(checkpointer.last_error)
    assert (folder / "orders.json").read_bytes() == before


def test_long_file_is_synced_at_intervals(folder: Path, open_store: OpenStore) -> None:
    """A long file is synced at intervals, so that it does not delay the journal's syncs."""
    store = open_store()
    for name in "abcde":
        put_orders(store, order(name, text="x" * (4 << 20)))
    with Disk(folder) as disk:
        checkpoint(store)
    syncs = [each for each in disk.tape if (each.call, each.name) == (SYNC, ".orders.json.next")]
    assert len(syncs) == 2
    assert sorted(all_orders(open_store())) == [*"abcde"]


def test_checkpointer_is_the_last_to_close_a_replaced_file(
    folder: Path, open_store: OpenStore
) -> None:
    """The kernel takes a second to free a long file; no request waits for that."""
    store, follower = open_store(), open_store()
    path = folder / "orders.json"
    old = path.stat().st_ino
    checkpointer = Checkpointer(store, keep_replaced_s=PATIENCE_S)
    checkpointer.start()
    put_orders(store, order("a"))
    wait_for("the file is replaced", lambda: path.stat().st_ino != old)
    wait_for(
        "the follower uses the new one",
        lambda: get_order(follower, "a") and not follower.replica.is_ahead_of_files(),
    )
    assert _is_open(path, old)
    checkpointer.close()
    assert not _is_open(path, old)


def _is_open(path: Path, inode: int) -> bool:
    """Whether this process still maps the file that had that name (proc_pid_maps(5))."""
    mapped = (line.split(maxsplit=5) for line in Path("/proc/self/maps").read_text().splitlines())
    return [str(inode), f"{path} (deleted)"] in [line[4:] for line in mapped]
