"""Damage that no crash explains is found at the start, with its place, and never served."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from app.kernel.errors import Damaged
from app.store import Document
from app.store.files.checkpointer import Checkpointer
from app.store.files.store import JsonFileStore
from app.store.files.tools.repair import repair_folder
from app.store.files.tools.verify import verify
from tests.durability.conftest import EVERYTHING, SEED, Report
from tests.store.journal_lines import segments
from tests.store.shop import COLLECTIONS, all_orders, note, order
from tests.transactions import transaction

QUICK, DEEP, ALL = 60, 1_300, 6_000
SHARDS = 4


class Harm(NamedTuple):
    """A byte of a file that is replaced, or (`byte` None) from which on the file is cut off."""

    file: str
    offset: int
    byte: int | None

    def do(self, folder: Path) -> None:
        """Damage the folder."""
        path = folder / self.file
        data = path.read_bytes()
        rest = b"" if self.byte is None else bytes([self.byte]) + data[self.offset + 1 :]
        path.write_bytes(data[: self.offset] + rest)


@pytest.fixture
def sound(scratch: Path) -> Path:
    """A closed folder: three readable files, two segments that both have transactions."""
    folder = scratch / "sound"
    store = JsonFileStore(folder, COLLECTIONS)
    for number in range(4):
        _place(store, number)
    Checkpointer(store).checkpoint()
    for number in range(4, 7):
        _place(store, number)
    with store.exclusive_write():
        store.replica.rotate(store.replica.file_records())
    for number in range(5, 9):
        _place(store, number)
    store.close()
    return folder


def _place(store: JsonFileStore, number: int) -> None:
    with transaction(store) as tx:
        tx.put("orders", order(f"order-{number}", total=str(number), placed=f"day {number}"))
        note(tx, f"note-{number}", "näh")


def harms(folder: Path, random: Random, count: int) -> Iterator[Harm]:
    """Random bytes flipped and files cut, `count` of them, anywhere in journal and files.

    And each file cut just before the end of each line, where it seems whole.
    """
    paths = [*segments(folder), *sorted(folder.glob("*.json"))]
    content = {str(path.relative_to(folder)): path.read_bytes() for path in paths}
    for name, data in content.items():
        yield from (Harm(name, offset, None) for offset, byte in enumerate(data) if byte == 10)
    places = [(name, offset) for name, data in content.items() for offset in range(len(data))]
    for _ in range(count):
        name, offset = random.choice(places)
        byte = content[name][offset] ^ random.randrange(1, 256)
        yield Harm(name, offset, byte if random.random() < 0.8 else None)


def documents_of(folder: Path) -> dict[str, Document]:
    """All orders as a store serves them. Raises Damaged."""
    store = JsonFileStore(folder, COLLECTIONS)
    try:
        return all_orders(store)
    finally:
        store.close()


def problem_with(sound: Path, work: Path, harm: Harm, before: dict[str, Document]) -> str:
    """The mistake that a store makes with this harm; "" for none."""
    shutil.copytree(sound, work)
    harm.do(work)
    seen = [each for each in verify(work, COLLECTIONS).faults if each.file == harm.file]
    try:
        found = documents_of(work)
    except Damaged as error:
        if harm.file not in str(error):
            return f"{harm}: the refusal does not name the file: {error}"
        is_journal = harm.file.startswith("journal/")
        if not seen or (is_journal and seen[0].offset > harm.offset):
            return f"{harm}: the check does not name the place: {seen}"
        return problem_with_repair(work, harm, before)
    finally:
        shutil.rmtree(work)
    if found == before:
        return ""
    return "" if looks_like_a_crash(sound, harm, before, found) else f"{harm}: served {found}"


def problem_with_repair(work: Path, harm: Harm, before: dict[str, Document]) -> str:
    """After the repair the shop is open again, and all that is missing was listed as lost.

    A readable file has no checksum for each document, so the file as a whole is listed.
    """
    repaired = repair_folder(work, COLLECTIONS)
    if repaired is None:
        return f"{harm}: nothing was repaired"
    found = documents_of(work)
    if findings := verify(work, COLLECTIONS).faults:
        return f"{harm}: after the repair there is {findings}"
    if harm.file.endswith(".json"):
        is_listed = harm.file in {each.file for each in repaired.lost}
        return "" if is_listed else f"{harm}: the file is not listed: {repaired.lost}"
    missing = {key for key in before if found.get(key) != before[key]}
    reported = len(repaired.lost)  # how much was cut off is not known
    if not set(found) <= set(before) or (
        len(missing) > reported and (harm.byte is not None or not reported)
    ):
        return f"{harm}: {missing} is missing, but only {repaired.lost} was reported"
    return ""


def looks_like_a_crash(
    sound: Path, harm: Harm, before: dict[str, Document], found: dict[str, Document]
) -> bool:
    """Whether what is missing was at the very end of the journal, where a crash does the same.

    A cut loses what came after it; a flipped byte in the last line loses that line. After an
    orderly stop the readable files have everything, and nothing can be lost that way.
    """
    last = segments(sound)[-1]
    missing = set(before) - set(found)
    begins = last.read_bytes()[:-1].rindex(b"\n") + 1
    is_at_the_end = harm.file == f"journal/{last.name}" and (
        harm.byte is None or harm.offset >= begins
    )
    latest = [{"order-8"}, {"order-7", "order-8"}][: 2 if harm.byte is None else 1]
    return is_at_the_end and missing in latest and found.items() <= before.items()


def check(sound: Path, scratch: Path, random: Random, count: int) -> int:
    """Try `count` harms; returns how many were different ones."""
    before = documents_of(shutil.copytree(sound, scratch / "copy"))
    tried = set(harms(sound, random, count))
    problems = [
        problem_with(sound, scratch / "work", harm, before) for harm in sorted(tried, key=str)
    ]
    assert [each for each in problems if each] == []
    return len(tried)


def test_some_damage_is_found_or_harmless(sound: Path, scratch: Path) -> None:
    """Changed bytes and cut files are refused, repaired or harmless."""
    check(sound, scratch, Random(SEED), QUICK)


@pytest.mark.deep
@pytest.mark.parametrize("shard", range(SHARDS))
def test_damage_is_found_or_harmless(
    sound: Path, scratch: Path, shard: int, report: Report
) -> None:
    """The same for five thousand harms in CI, more than twenty thousand by `make crash`."""
    count = check(sound, scratch, Random(SEED + 1 + shard), ALL if EVERYTHING else DEEP)
    report(count, "bytes flipped and files cut")
