"""Everything of a store is copied into another one, of either kind."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from app.kernel.errors import Conflict, Damaged, Invalid, Unavailable
from app.store import Contents, Store, Transaction
from app.store.copying import PAGE_SIZE, document_of, refuse_difference
from app.store.files.checkpointer import Checkpointer
from app.store.files.store import JsonFileStore
from app.store.files.tools.new_folder import new_folder
from app.store.files.tools.verify import verify
from app.store.files.tools.write_folder import write_folder
from app.store.postgres.loading import open_empty
from app.store.postgres.store import PostgresStore
from tests.store.conftest import OpenStore
from tests.store.shop import COLLECTIONS, all_orders, note, order, put_orders

Copy = Callable[[Contents], Store]


def ignore(_documents: int) -> None:
    """No progress bar."""


def load_into(url: str, contents: Contents) -> int:
    """Load into the database; returns the number of documents."""
    with open_empty(url, COLLECTIONS, 5.0, 0, ()) as load:
        return load(contents, ignore)


@pytest.fixture
def copy_to_files(tmp_path: Path) -> Copy:
    def copy(contents: Contents) -> Store:
        with new_folder(tmp_path / "copy") as folder:
            write_folder(folder, COLLECTIONS, 0, contents, ignore)
        assert verify(tmp_path / "copy", COLLECTIONS).faults == []
        return JsonFileStore(tmp_path / "copy", COLLECTIONS)

    return copy


@pytest.fixture
def copy_to_postgresql(other_postgresql_url: str) -> Copy:
    def copy(contents: Contents) -> Store:
        load_into(other_postgresql_url, contents)
        return PostgresStore(other_postgresql_url, COLLECTIONS)

    return copy


@pytest.fixture(params=["copy_to_files", "copy_to_postgresql"])
def copy(request: pytest.FixtureRequest) -> Copy:
    """A function that copies into a new store, and opens it."""
    copied: Copy = request.getfixturevalue(request.param)
    return copied


def number(tx: Transaction) -> tuple[str, int, int]:
    """An id, and the next number of a series with gaps and of one without."""
    gaps = tx.next_number("order", 1001, has_gaps=True)
    return tx.new_id(), gaps, tx.next_number("invoice")


def test_the_copy_goes_on_where_the_store_stopped(store: Store, copy: Copy) -> None:
    """Documents as they were, over more than one page; indexes, numbers, ids and the position."""
    put_orders(store, *(order(f"o{n}", status="new") for n in range(PAGE_SIZE + 2)))
    put_orders(store, order("o1", text='Ä "\\ \u0001', price=1.0), order("a!"), order("a"))

    def begin(tx: Transaction) -> tuple[str, int, int]:
        note(tx, "n1", "kept")
        return number(tx)

    last_id, order_number, invoice_number = store.run_in_transaction(begin)
    assert (order_number, invoice_number) == (1001, 1)
    with store.contents() as contents:
        other = copy(contents)
    with closing(other):
        assert all_orders(other) == all_orders(store)
        with other.read() as view:
            assert view.get("notes", "n1") == {"note_id": "n1", "text": "kept"}
            assert view.count("orders", {"status": "new"}) == PAGE_SIZE + 1
            assert (view.last_number("order"), view.last_number("invoice")) == (1001, 1)
        assert other.position() == store.position()
        next_id, *numbers = other.run_in_transaction(number)
        assert (next_id > last_id, numbers) == (True, [1002, 2])
        assert other.position() > store.position()


def test_ids_go_on_after_one_of_a_clock_that_was_ahead(store: Store, copy: Copy) -> None:
    """As within one store: an id of the copy is greater than the last one."""
    with store.contents() as contents:
        ahead = str(uuid.UUID("0fffffff-0000-7000-8000-000000000000"))
        other = copy(contents._replace(last_id=ahead))
    with closing(other):
        assert other.run_in_transaction(number)[0] > ahead
        with other.contents() as copied:
            assert copied.last_id > ahead


def test_a_checkpoint_is_copied(open_store: OpenStore, copy: Copy) -> None:
    """Its order of keys is another than that of PostgreSQL."""
    store = open_store()
    put_orders(store, *(order(key) for key in ("a", "a!", 'a"', "!")))
    assert Checkpointer(store).checkpoint()
    with store.contents() as contents, closing(copy(contents)) as other:
        assert all_orders(other) == all_orders(store)


def test_an_empty_store_is_copied(store: Store, copy: Copy) -> None:
    """Nothing was numbered yet; the first numbers and ids come as in a new store."""
    with store.contents() as contents:
        other = copy(contents)
    with closing(other):
        assert all_orders(other) == {}
        assert other.run_in_transaction(number)[1:] == (1001, 1)


@pytest.fixture
def contents(open_store: OpenStore) -> Iterator[Contents]:
    """Everything of a store with one order."""
    store = open_store()
    put_orders(store, order("a"))
    with store.contents() as contents:
        yield contents


def test_a_database_with_a_shop_is_refused(contents: Contents, other_postgresql_url: str) -> None:
    """Nothing is overwritten."""
    assert load_into(other_postgresql_url, contents) == 1
    with pytest.raises(Conflict, match="The database has a shop already \\(orders\\)"):
        load_into(other_postgresql_url, contents)


def test_a_copy_that_fails_leaves_the_database_empty(
    contents: Contents, other_postgresql_url: str
) -> None:
    """As a killed process does: all is one transaction, so the copy can be begun anew."""
    target = open_empty(other_postgresql_url, COLLECTIONS, 5.0, 0, ())
    with pytest.raises(RuntimeError), target as load:
        load(contents, ignore)
        raise RuntimeError
    assert load_into(other_postgresql_url, contents) == 1


def test_a_document_that_was_stored_otherwise_is_noticed() -> None:
    """Another one, one too few, and one too many."""
    for stored in ([b"1", b"3"], [b"1"], [b"1", b"2", b"3"]):
        with pytest.raises(Damaged, match="A document of orders was not stored as it was copied"):
            refuse_difference("orders", [b"1", b"2"], stored)


def test_a_document_that_postgresql_cannot_store_is_named(
    open_store: OpenStore, other_postgresql_url: str
) -> None:
    """A text with a NUL can be stored, but no list sorts by it."""
    store = open_store()
    put_orders(store, order("a", placed="\x00"))
    with store.contents() as contents, pytest.raises(Invalid, match="orders from a on: Postgre"):
        load_into(other_postgresql_url, contents)


def test_a_database_that_another_process_opens_is_refused(other_postgresql_url: str) -> None:
    """Of two copies at once one is made; and no shop is opened on half of one."""
    first = open_empty(other_postgresql_url, COLLECTIONS, 5.0, 0, ())
    second = open_empty(other_postgresql_url, COLLECTIONS, 0.01, 0, ())
    with first, pytest.raises(Unavailable, match="The database is busy"), second:
        pass


def test_a_document_that_a_view_has_lost_is_an_error(store: Store) -> None:
    """A copy must not leave it out in silence."""
    with store.read() as view, pytest.raises(LookupError, match="gone of orders went away"):
        document_of(view, "orders", "gone")
