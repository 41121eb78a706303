"""Opens stores on disks that lost power, and checks their documents."""

import shutil
from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import NamedTuple

from app.kernel.errors import DaybookError
from app.store import Collection, Document, View
from app.store.files.memory.transaction import COUNTERS
from app.store.files.store import JsonFileStore
from tests.durability.disk import Entry
from tests.durability.journal_story import Documents, Story
from tests.durability.power_loss import Cuts, Image, platters, states

_STATES_PER_CUT = 500
"""A write is cut at one more byte for each so many states, and always before its last byte, where a
line is complete but for its newline."""


class Recording(NamedTuple):
    """A tape, with what the collections in it are."""

    tape: list[Entry]
    collections: tuple[Collection, ...]


class Tried(NamedTuple):
    """How many states were drawn, how many different disks those are, and what went wrong."""

    states: int
    disks: int
    bad: list[str]


def try_states(recording: Recording, scratch: Path, random: Random, max_states: int) -> Tried:
    """Recover from about `max_states` of the states, drawn at random; each different disk once.

    Half of what is tried are the states that have no write cut in two, which are far fewer.
    """
    tape = recording.tape

    def some_bytes(length: int) -> list[int]:
        chosen = random.sample(range(length), min(length, max(1, max_states // _STATES_PER_CUT)))
        return sorted({*chosen, length - 1})

    story = Story(tape, {each.name: each.key for each in (*recording.collections, COUNTERS)})
    required = story.required(tape)
    shares = _shares(tape, max_states, some_bytes)
    seen: set[tuple[bytes, int]] = set()
    bad: list[str] = []
    drawn = 0
    for moment, platter in platters(tape):
        for state in states(moment, platter, some_bytes):
            if random.random() >= shares[state.has_cut]:
                continue
            drawn += 1
            image = platter.image(state)
            promised = required[moment - 1]
            if (mark := (_digest(image), promised)) in seen:
                continue
            seen.add(mark)
            documents = _recovered(scratch / "disk", image, recording.collections)
            if problem := story.problem(documents, promised):
                bad.append(f"{problem}: after {tape[moment - 1].call}, {state}")
    return Tried(drawn, len(seen), bad)


def _shares(tape: Sequence[Entry], max_states: int, cuts: Cuts) -> dict[bool, float]:
    """The fractions of states with and without a cut that each give half of `max_states`."""
    count = Counter(state.has_cut for each in platters(tape) for state in states(*each, cuts))
    return {has_cut: max_states / 2 / max(count[has_cut], 1) for has_cut in (True, False)}


def _recovered(folder: Path, image: Image, collections: tuple[Collection, ...]) -> Documents | str:
    """All documents of a store on this disk, or the error text of its opening."""
    write_image(folder, image)
    try:
        store = JsonFileStore(folder, collections)
    except DaybookError as error:
        shutil.rmtree(folder)
        return f"{type(error).__name__}: {error}"
    try:
        with store.read() as view:
            return {
                each.name: {key: _present(view, each.name, key) for key in view.keys(each.name)}
                for each in store.declared
            }
    finally:
        store.close()
        shutil.rmtree(folder)


def _present(view: View, collection: str, key: str) -> Document:
    document = view.get(collection, key)
    assert document is not None
    return document


def write_image(folder: Path, image: Image) -> None:
    """Make a folder with that content."""
    for name in sorted(name for name, content in image.items() if content is None):
        (folder / name).mkdir()
    for name, content in image.items():
        if content is not None:
            (folder / name).write_bytes(content)


def _digest(image: Image) -> bytes:
    names = sorted(image)
    return blake2b(repr([(name, image[name]) for name in names]).encode(), digest_size=16).digest()
