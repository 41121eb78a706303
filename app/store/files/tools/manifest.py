"""The manifest of a backup: every file in it, by which a copy that is not whole is noticed.

manifest.json lies in the folder that it lists, and is written last. It is one JSON object with a
line for each file, ordered by name:

    {"format":1,"files":{
    "journal/00000001.ndjson":{"bytes":512,"sha256":"9f86d081884c7d65…"},
    "mail/new/order-1001":{"bytes":1893,"sha256":"60303ae22b998861…"}
    }}

A name is relative to the folder, with `/`; bytes of it that are not UTF-8 are lone surrogates, as
in Python. The checksum is SHA-256 in hexadecimal. A manifest in any other form, even with other
spaces, counts as damaged.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from app.kernel.errors import Damaged
from app.system.disk import write_new

MANIFEST = "manifest.json"


class FileDigest(NamedTuple):
    """The size and the SHA-256 checksum of a file."""

    bytes: int
    sha256: str


Files = dict[str, FileDigest]
"""The files of a folder, by their names in its manifest."""


def digest_files(folder: Path) -> Files:
    """Read every file in `folder` and the folders in it. Raises OSError."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): _digest(path) for path in paths}


def write_manifest(folder: Path) -> list[int]:
    """Write the manifest of what is in `folder`; returns the sizes of all files, its own included.

    It is synced, but its name is not. Raises OSError.
    """
    files = digest_files(folder)
    data = _encode(files)
    write_new(folder / MANIFEST, data)
    return [*(each.bytes for each in files.values()), len(data)]


def read_manifest(folder: Path) -> Files | None:
    """The files that the manifest of `folder` lists; None where it has none.

    Raises Damaged for a manifest that is not as it was written, or OSError.
    """
    path = folder / MANIFEST
    if not path.exists():
        return None
    data = path.read_bytes()
    try:
        listed = json.loads(data)["files"]
        files = {name: FileDigest(each["bytes"], each["sha256"]) for name, each in listed.items()}
        is_as_written = _encode(files) == data
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        is_as_written = False
    if not is_as_written:
        raise Damaged(f"{MANIFEST} is not as it was written, so the backup cannot be verified.")
    return files


def differences(listed: Files, found: Files) -> Iterator[str]:
    """How the files `found` differ from those that a manifest lists, a sentence for each file."""
    for name in sorted(listed.keys() | found.keys()):
        if name not in found:
            yield f"{name} is missing"
        elif name not in listed:
            yield f"{name} is not in {MANIFEST}"
        elif found[name].bytes != listed[name].bytes:
            yield f"{name} has {found[name].bytes} bytes, and had {listed[name].bytes}"
        elif found[name] != listed[name]:
            yield f"{name} was changed"


def _digest(path: Path) -> FileDigest:
    with path.open("rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
        return FileDigest(file.tell(), checksum)


def _encode(files: Files) -> bytes:
    lines = (f"{json.dumps(name)}:{_dumps(each._asdict())}" for name, each in files.items())
    return ('{"format":1,"files":{\n' + ",\n".join(lines) + "\n}}\n").encode()


def _dumps(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
