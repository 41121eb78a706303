"""`flask check --accept`: a person's edit becomes the truth, or is refused with the reason."""

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from app.kernel.errors import Conflict, Damaged, Invalid
from app.store import Document
from app.store.files.checkpointer import Checkpointer
from app.store.files.store import JsonFileStore
from app.store.files.tools.adopt_edits import AdoptedFile, adopt_edits
from app.store.files.tools.verify import verify
from tests.store.conftest import OpenStore
from tests.store.faults import survives
from tests.store.journal_lines import checkpoint, segments, spoil, two_segments
from tests.store.shop import COLLECTIONS, all_orders, get_order, ids, note, order, put_orders
from tests.transactions import transaction

Edit = Callable[[Callable[[list[Document]], list[Document]]], None]


@pytest.fixture
def shop(folder: Path) -> Path:
    """A closed folder: orders a and b are in orders.json, c and a note in the journal alone."""
    store = JsonFileStore(folder, COLLECTIONS)
    put_orders(store, order("a", status="placed"), order("b", status="placed"))
    checkpoint(store)
    with transaction(store) as tx:
        tx.put("orders", order("c", status="placed"))
        note(tx, "n")
    store.close()
    return folder


def edit(folder: Path, *documents: Document) -> None:
    """Write these documents into orders.json, as an editor would."""
    (folder / "orders.json").write_text(json.dumps(list(documents), indent=2))


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of the data folder but the locks."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }


def test_edit_is_taken_as_true(shop: Path, open_store: OpenStore) -> None:
    """Added, changed and removed orders count, and lists and counts follow them."""
    edit(shop, order("x", status="placed"), order("a", status="paid"))
    assert adopt_edits(shop, COLLECTIONS) == [AdoptedFile("orders.json", 2, 3, 1)]
    store = open_store()
    assert sorted(all_orders(store)) == ["a", "c", "x"]
    with store.read() as view:
        assert ids(view.find("orders", {"status": "placed"}).documents) == ["c", "x"]
        assert view.get("notes", "n") == {"note_id": "n", "text": ""}
    assert verify(shop, COLLECTIONS).faults == []


def test_orders_that_were_in_the_journal_alone_are_kept(shop: Path, open_store: OpenStore) -> None:
    """A crash may have left acknowledged changes that the edited file never had: they go on top."""
    store = open_store()
    put_orders(store, order("a", status="shipped"))
    with transaction(store) as tx:
        tx.delete("orders", "b")
    store.close()
    edit(shop, order("a", status="paid"), order("b"), order("x"))
    assert adopt_edits(shop, COLLECTIONS) == [AdoptedFile("orders.json", 2, 3, 3)]
    assert all_orders(open_store()) == {
        "a": order("a", status="shipped"),
        "c": order("c", status="placed"),
        "x": order("x"),
    }


def test_older_entries_never_override_an_accepted_edit(shop: Path, open_store: OpenStore) -> None:
    """Once accepted, an edit stands, whatever the journal still has from before."""
    edit(shop, order("a"))
    adopt_edits(shop, COLLECTIONS)
    edit(shop, order("a", total="7"), order("c", total="7"))
    assert adopt_edits(shop, COLLECTIONS) == [AdoptedFile("orders.json", 2, 2, 0)]
    for _ in range(2):
        store = open_store()
        assert all_orders(store) == {"a": order("a", total="7"), "c": order("c", total="7")}
        with transaction(store) as tx:
            note(tx, "m")
        checkpoint(store)
        store.close()


def test_several_files_are_accepted_together(shop: Path, open_store: OpenStore) -> None:
    """The result names each edited file, and no other."""
    edit(shop, order("a"))
    (shop / "notes.json").write_text('[{"text":"first","note_id":"m"}]')
    accepted = adopt_edits(shop, COLLECTIONS)
    assert [each.file for each in accepted] == ["orders.json", "notes.json"]
    with open_store().read() as view:
        assert sorted(view.keys("notes")) == ["m", "n"]


def test_nothing_to_accept_changes_nothing(shop: Path) -> None:
    """Files that are as the service left them stay as they are."""
    before = contents(shop)
    assert adopt_edits(shop, COLLECTIONS) == []
    assert contents(shop) == before


def test_folder_without_a_journal_has_nothing_to_accept(folder: Path) -> None:
    """Files that no store has seen yet are validated by the first start, as they always are."""
    folder.mkdir()
    edit(folder, order("a"))
    assert adopt_edits(folder, COLLECTIONS) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[\n{"order_id":"a","total":"one"}\n]', "orders.json, line 2: order_id a: total: must be"),
        ('[\n{"order_id":"a","total":"1"}\n', "orders.json: Not valid JSON"),
        ("", "orders.json: The JSON text is empty"),
        (None, "orders.json is missing"),
    ],
    ids=["rule", "syntax", "empty", "missing"],
)
def test_bad_edit_is_refused(
    shop: Path, open_store: OpenStore, text: str | None, reason: str
) -> None:
    """File, line and reason are named; nothing is changed, of other edited files neither."""
    (shop / "notes.json").write_text('[{"note_id":"m"}]')
    (shop / "orders.json").unlink()
    if text is not None:
        (shop / "orders.json").write_text(text)
    before = contents(shop)
    with pytest.raises(Invalid, match=reason):
        adopt_edits(shop, COLLECTIONS)
    assert contents(shop) == before
    with pytest.raises(Damaged):
        open_store()


def test_edit_is_not_accepted_while_the_service_runs(shop: Path, open_store: OpenStore) -> None:
    """A running service would write over the edit, so it has to be stopped first."""
    store = open_store()
    assert store.lease_shards()
    edit(shop, order("a"))
    before = contents(shop)
    with pytest.raises(Conflict, match="stop it"):
        adopt_edits(shop, COLLECTIONS)
    assert contents(shop) == before
    store.close()
    assert len(adopt_edits(shop, COLLECTIONS)) == 1


def test_damaged_journal_is_not_accepted(shop: Path, open_store: OpenStore) -> None:
    """An edit does not replace what the journal has lost."""
    store = open_store()
    put_orders(store, order("d"))
    store.close()
    edit(shop, order("a"))
    first = segments(shop)[-1].read_bytes().index(b'"seq":2')
    spoil(segments(shop)[-1], first)
    with pytest.raises(Damaged, match="damaged at byte"):
        adopt_edits(shop, COLLECTIONS)


def test_accepting_that_dies_can_be_repeated(shop: Path) -> None:
    """At each step: the edit is accepted, or still waits to be, and nothing is lost."""
    edit(shop, order("a", status="paid"))
    expected = {"a": order("a", status="paid"), "c": order("c", status="placed")}
    for steps in range(50):
        copy = shop.with_name(f"died-after-{steps}")
        shutil.copytree(shop, copy)
        survived = survives(partial(adopt_edits, copy, COLLECTIONS), steps)
        adopt_edits(copy, COLLECTIONS)
        store = JsonFileStore(copy, COLLECTIONS)
        assert all_orders(store) == expected
        put_orders(store, order("x"))
        checkpoint(store)
        assert get_order(store, "a") == expected["a"]
        store.close()
        if survived:
            break
    assert survived
    assert steps > 5


def test_edit_after_a_checkpoint_that_died_loses_no_order(shop: Path) -> None:
    """The edit of either version of the file counts, and so does every order."""
    for steps in range(50):
        copy = shop.with_name(f"died-after-{steps}")
        shutil.copytree(shop, copy)
        store = JsonFileStore(copy, COLLECTIONS)
        survived = survives(Checkpointer(store).checkpoint, steps)
        store.close()
        found = json.loads((copy / "orders.json").read_bytes())
        edit(copy, order("x"), *(order(each["order_id"], total="9") for each in found))
        adopt_edits(copy, COLLECTIONS)
        store = JsonFileStore(copy, COLLECTIONS)
        totals = {key: each["total"] for key, each in all_orders(store).items()}
        assert totals.pop("c") in ("1", "9")
        assert totals == {"a": "9", "b": "9", "x": "1"}
        store.close()
        if survived:
            break
    assert survived


def test_unfinished_entry_is_cut_off_and_a_copy_kept(shop: Path, open_store: OpenStore) -> None:
    """A crash left it at the end of the journal; the edit is adopted all the same."""
    with segments(shop)[-1].open("ab") as journal:
        journal.write(b'{"crc":"00')
    edit(shop, order("a"))
    assert adopt_edits(shop, COLLECTIONS) == [AdoptedFile("orders.json", 2, 2, 1)]
    assert [path.read_bytes() for path in shop.rglob("*.torn-at-*")] == [b'{"crc":"00']
    assert sorted(all_orders(open_store())) == ["a", "c"]


def test_unfinished_step_to_the_next_segment_does_not_matter(
    folder: Path, open_store: OpenStore
) -> None:
    """A crash cut the line short that leads from one segment to the next."""
    two_segments(folder, "ab")
    path = segments(folder)[0]
    path.write_bytes(path.read_bytes()[:-5])
    edit(folder, order("x"))
    assert adopt_edits(folder, COLLECTIONS) == [AdoptedFile("orders.json", 0, 3, 2)]
    store = open_store()
    assert sorted(all_orders(store)) == ["a", "b", "x"]
    put_orders(store, order("y"))
    checkpoint(store)
    assert verify(folder, COLLECTIONS).faults == []


class TestNumbers:
    """No edit of any file lets a number or id be issued twice."""

    @pytest.fixture
    def shop(self, folder: Path) -> Path:
        """Orders 1 and 2 in orders.json, 3 in the journal alone; notes name 2 and 4."""
        store = JsonFileStore(folder, COLLECTIONS)
        with transaction(store) as tx:
            for name in "ab":
                tx.put("orders", order(name, number=tx.next_number("order")))
            tx.put("notes", {"note_id": tx.new_id(), "of": "b", "number": 2})
        checkpoint(store)
        with transaction(store) as tx:
            tx.put("orders", order("c", number=tx.next_number("order")))
            tx.put("notes", {"note_id": "n", "of": "gone", "number": tx.next_number("order")})
        store.close()
        return folder

    @pytest.mark.parametrize(
        ("orders", "reason"),
        [
            (
                [order("a", number=1), order("x", number=1)],
                "orders.json, line 4: order number 1 belongs to a already",
            ),
            (
                [order("a", number=1), order("b", number=7)],
                "orders.json, line 4: order number 7 was changed: b was given 2",
            ),
            (
                [order("a", number=1), order("b", number=2), order("x", number=3)],
                "orders.json, line 6: order number 3 belongs to c already",
            ),
            (
                [order("a", number=1), order("b", number=2), order("x", number=4)],
                "orders.json, line 6: order number 4 belongs to gone already",
            ),
            (
                [order("a", number=1), order("b", number=2), order("x", number=9)],
                "counters.json: order is below 9, which was given out already (orders.json, line "
                '6); it must be {"name":"order","value":9} at the least',
            ),
        ],
        ids=["twice", "changed", "journal", "deleted", "above"],
    )
    def test_number_of_another_is_refused(
        self, shop: Path, orders: list[Document], reason: str
    ) -> None:
        """The line is named, and what the number belongs to."""
        lines = ",\n\n".join(json.dumps(each) for each in orders)
        (shop / "orders.json").write_text(f"[\n{lines}\n]")
        before = contents(shop)
        with pytest.raises(Invalid) as refused:
            adopt_edits(shop, COLLECTIONS)
        assert str(refused.value) == reason
        assert contents(shop) == before

    @pytest.mark.parametrize(
        ("counters", "reason"),
        [
            ({"order": 3}, "line 2: order is below 4, which was given out already; it must be "),
            ({"order": "4"}, "line 2: name order: value: must be a whole number from 0 to "),
            ({"order": True}, "line 2: name order: value: must be a whole number from 0 to "),
            ({"order": 4.0}, "line 2: name order: value: must be a whole number from 0 to "),
            ({"order": 4, "last_id": 7}, "line 3: name last_id: value: must be a UUID, "),
            ({"order": 4}, ": last_id is missing; it must be "),
            (None, ': order is missing; it must be {"name":"order","value":4} at the least'),
        ],
    )
    def test_counter_that_would_give_it_again_is_refused(
        self, shop: Path, open_store: OpenStore, counters: dict[str, object] | None, reason: str
    ) -> None:
        """Also one that is lost; the sentence says what to write."""
        store = open_store()
        checkpoint(store)
        store.close()
        path = shop / "counters.json"
        path.unlink()
        if counters is not None:
            lines = [json.dumps({"name": name, "value": counters[name]}) for name in counters]
            path.write_text("[\n" + ",\n".join(lines) + "\n]")
        with pytest.raises(Invalid) as refused:
            adopt_edits(shop, COLLECTIONS)
        assert f"counters.json{'' if reason[0] == ':' else ', '}{reason}" in str(refused.value)

    def test_counter_may_be_raised(self, shop: Path, open_store: OpenStore) -> None:
        """An order may be added by hand, with the counter that its number needs."""
        store = open_store()
        checkpoint(store)
        store.close()
        for name, before, after in (
            ("counters", '"value":4', '"value":9'),
            ("orders", "\n]", ',\n{"order_id":"x","total":"1","number":9}\n]'),
        ):
            path = shop / f"{name}.json"
            path.write_text(path.read_text().replace(before, after))
        assert {each.file for each in adopt_edits(shop, COLLECTIONS)} == {
            "orders.json",
            "counters.json",
        }
        with transaction(open_store()) as tx:
            assert tx.next_number("order") == 10
            assert len(list(tx.keys("orders"))) == 4


def test_edit_of_a_file_whose_segments_are_gone_is_refused(folder: Path) -> None:
    """The transactions that belong on top of the edited file are lost."""
    two_segments(folder, "ab")
    segments(folder)[0].unlink()
    edit(folder, order("x"))
    with pytest.raises(Damaged, match=r"orders\.json needs are missing"):
        adopt_edits(folder, COLLECTIONS)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("order", -1, "whole number"),
        ("order", "7", "whole number"),
        ("order", True, "whole number"),
        ("last_id", 7, "UUID"),
        ("last_id", "seven", "UUID"),
        ("last_id", "0193A000-0000-7000-8000-000000000000", "small letters"),
    ],
)
def test_counter_that_says_no_number_is_refused(
    shop: Path, name: str, value: object, reason: str
) -> None:
    """Numbers are whole, ids as the store writes them."""
    (shop / "counters.json").write_text(json.dumps([{"name": name, "value": value}]))
    with pytest.raises(Invalid, match=reason):
        adopt_edits(shop, COLLECTIONS)


def test_counter_with_more_than_its_value_is_refused(shop: Path) -> None:
    """A further member would be lost with the next number."""
    (shop / "counters.json").write_text('[{"name": "order", "value": 1, "note": "new year"}]')
    with pytest.raises(Invalid, match="and nothing else"):
        adopt_edits(shop, COLLECTIONS)
