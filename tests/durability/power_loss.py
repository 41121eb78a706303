"""A model of the states of a disk after a power cut, computed from the tape.

Until a sync, the disk is free: of the writes and truncations of a file it may have any, in any
order; of a write, any part; where a later write arrived and an earlier one did not, zeros stand in
its place. A created, renamed or removed name is lost until its folder is synced. `states` gives for
each moment of the tape

* the files with all of what is not synced, with none of it, with the first so many writes;
* the last of these cut at any of its bytes, and with zeros from there on;
* one write missing among those that arrived;
* the names with all changes, with none, with the first so many, with any one missing, with any one
  alone.

This is more than a real file system does. A sync that failed leaves what it should have written
lost for good, as on Linux, unless it is written again.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import NamedTuple

from tests.durability.disk import (
    CREATE,
    CUT,
    MAKE_FOLDER,
    REMOVE,
    RENAME,
    SYNC,
    SYNC_FAILED,
    SYNC_FOLDER,
    WRITE,
    Entry,
)

Numbered = tuple[int, Entry]
Image = dict[str, bytes | None]
"""The content of a folder by name; None stands for a folder in it."""
Cuts = Callable[[int], Iterable[int]]
"""At which bytes to cut a write of so many bytes; `range` is all of them."""


class Kept(NamedTuple):
    """How much of a file's unsynced entries arrived: which ones, and how much of the last.

    `cut` is how many bytes of the last one arrived; `zeros`: where it made the file longer, the
    others are zeros. What was there before is never replaced by zeros.
    """

    entries: tuple[int, ...]
    cut: int | None = None
    zeros: bool = False


class State(NamedTuple):
    """One state of the disk after a power cut at `moment` of the tape: what arrived of which file.

    `names` are the changes of names that arrived. Files that are not in `kept` have all of theirs,
    or with `bare` none.
    """

    moment: int
    names: frozenset[int]
    kept: tuple[tuple[int, Kept], ...] = ()
    bare: bool = False

    @property
    def has_cut(self) -> bool:
        """Whether a write arrived in part."""
        return any(kept.cut is not None for _, kept in self.kept)


@dataclass
class Platter:
    """The disk at one moment: what is certain, and what is pending."""

    files: dict[int, bytes] = field(default_factory=dict)
    pending: dict[int, list[Numbered]] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    folders: set[str] = field(default_factory=lambda: {"."})
    pending_names: list[Numbered] = field(default_factory=list)

    def advance(self, number: int, entry: Entry) -> None:
        """Take in the next entry of the tape."""
        if entry.call in (CREATE, RENAME, REMOVE, MAKE_FOLDER):
            self.pending_names.append((number, entry))
        if entry.call == CREATE:
            self.files[entry.file] = b""
        elif entry.call in (WRITE, CUT):
            self.pending.setdefault(entry.file, []).append((number, entry))
        elif entry.call == SYNC:
            done = [each for each in self._pending_of(entry.file) if each[0] < entry.through]
            self.files[entry.file] = _applied(self.files[entry.file], [each for _, each in done])
            self._forget(entry)
        elif entry.call == SYNC_FAILED and entry.file:
            self._forget(entry)
        elif entry.call == SYNC_FOLDER:
            self._settle_names(entry)

    def image(self, state: State) -> Image:
        """The folder's content in this state."""
        names, folders = dict(self.names), set(self.folders)
        for number, entry in self.pending_names:
            if number in state.names:
                _rename(names, folders, entry)
        kept = dict(state.kept)
        there: Image = dict.fromkeys(folders)
        return there | {
            name: self._content(file, kept.get(file), bare=state.bare)
            for name, file in names.items()
            if str(PurePosixPath(name).parent) in folders
        }

    def _content(self, file: int, kept: Kept | None, *, bare: bool) -> bytes:
        pending = self._pending_of(file)
        if kept is None:
            return _applied(self.files[file], [] if bare else [each for _, each in pending])
        entries = [entry for number, entry in pending if number in kept.entries]
        if kept.cut is None:
            return _applied(self.files[file], entries)
        *before, last = entries
        content = _applied(self.files[file], before)
        arrived = _applied(content, [last._replace(data=last.data[: kept.cut])])
        missing = last.offset + len(last.data) - len(arrived)
        return arrived + bytes(missing) if kept.zeros and missing > 0 else arrived

    def _pending_of(self, file: int) -> list[Numbered]:
        return self.pending.get(file, [])

    def _forget(self, sync: Entry) -> None:
        left = [each for each in self._pending_of(sync.file) if each[0] >= sync.through]
        self.pending[sync.file] = left

    def _settle_names(self, sync: Entry) -> None:
        left = []
        for number, entry in self.pending_names:
            if number < sync.through and str(PurePosixPath(entry.name).parent) == sync.name:
                _rename(self.names, self.folders, entry)
            else:
                left.append((number, entry))
        self.pending_names = left


def platters(tape: Sequence[Entry]) -> Iterator[tuple[int, Platter]]:
    """The disk after each entry; it is the same object, which moves on."""
    platter = Platter()
    for number, entry in enumerate(tape):
        platter.advance(number, entry)
        yield number + 1, platter


def states(moment: int, platter: Platter, cuts: Cuts) -> Iterator[State]:
    """Every state that a power cut at this moment may leave."""
    every = frozenset(number for number, _ in platter.pending_names)
    for names in _names(platter.pending_names):
        yield State(moment, names)
        yield State(moment, names, bare=True)
    for names in {every, frozenset[int]()}:
        for file, pending in platter.pending.items():
            for kept in _kept(pending, cuts):
                yield State(moment, names, ((file, kept),))


def _names(pending: list[Numbered]) -> set[frozenset[int]]:
    numbers = [number for number, _ in pending]
    every = frozenset(numbers)
    prefixes = {frozenset(numbers[:length]) for length in range(len(numbers) + 1)}
    return prefixes | {every - {each} for each in numbers} | {frozenset({n}) for n in numbers}


def _kept(pending: list[Numbered], cuts: Cuts) -> Iterator[Kept]:
    numbers = tuple(number for number, _ in pending)
    for length, (number, entry) in enumerate(pending, start=1):
        yield Kept(numbers[: length - 1])
        yield Kept(tuple(each for each in numbers if each != number))
        for cut in cuts(len(entry.data)) if entry.call == WRITE else ():
            yield Kept(numbers[:length], cut)
            yield Kept(numbers[:length], cut, zeros=True)


def _applied(content: bytes, entries: list[Entry]) -> bytes:
    data = bytearray(content)
    for entry in entries:
        if entry.call == CUT:
            del data[entry.offset :]
            continue
        end = entry.offset + len(entry.data)
        data.extend(bytes(max(0, end - len(data))))
        data[entry.offset : end] = entry.data
    return bytes(data)


def _rename(names: dict[str, int], folders: set[str], entry: Entry) -> None:
    if entry.call == MAKE_FOLDER:
        folders.add(entry.name)
    elif entry.call == CREATE:
        names[entry.name] = entry.file
    elif entry.name in names:
        file = names.pop(entry.name)
        if entry.call == RENAME:
            names[entry.data] = file
