"""Pictures of products: files in the folder pictures/ of the data folder, named by their content.

A picture that a manager uploads is decoded, and drawn anew as WebP: what is stored and served is
ours, without the bytes, the position or the comments of the upload. The document of a product has
the file's name in `picture`. A file never changes.

Files are written and removed in the transaction that changes the document, so that two processes
cannot disagree: a file is there before a document names it. One that no document names any more
stays for UNUSED_MAX_AGE_S, for a backup that copies the documents first and then this folder.
"""

import hashlib
import os
import re
import struct
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageOps

from app.kernel.errors import Invalid, Problem
from app.system.bulkhead import Bulkhead
from app.system.disk import make_folder, sync_folder, write_new
from app.system.os_errors import unavailable

FOLDER = "pictures"
FORMATS = ("PNG", "JPEG", "WEBP")
"""The formats accepted, recognised by the content; not SVG, which can contain scripts."""

MAX_PIXELS = 25_000_000
"""Width times height of an upload; decoded, it takes up to 100 MB."""
SIDE_PX = 640
"""The longer side of a stored picture, unless the upload is smaller."""
UNUSED_MAX_AGE_S = 24 * 60 * 60

_NAME = re.compile(r"[0-9a-f]{64}\.webp")
_QUALITY = 80
_DRAWING = Bulkhead(1, "Another picture is being read at this moment; try again.")
_NO_PICTURE = "is not a whole PNG, JPEG or WebP file"
_TOO_MANY_PIXELS = f"has more than {MAX_PIXELS // 1_000_000} million pixels; make it smaller"
_DECODING_ERRORS = (
    *(OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError),
    *(ArithmeticError, struct.error, zlib.error),
)
"""The exceptions that Pillow raises for malformed files; its fuzzers expect no others."""


def draw(upload: bytes) -> bytes:
    """Return an uploaded picture as WebP, upright, with a longer side of at most SIDE_PX.

    Raises Invalid at /picture for anything but a whole picture of one of FORMATS, and Unavailable
    while the process draws another one.
    """
    with _DRAWING.slot():
        try:
            return _draw(upload)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise _refused(_TOO_MANY_PIXELS) from None
        except _DECODING_ERRORS:
            raise _refused(_NO_PICTURE) from None


def _draw(upload: bytes) -> bytes:
    with Image.open(BytesIO(upload), formats=FORMATS) as image:
        if image.width * image.height > MAX_PIXELS:
            raise _refused(_TOO_MANY_PIXELS)
        image.thumbnail((SIDE_PX, SIDE_PX))
        upright = ImageOps.exif_transpose(image)
        mode = "RGBA" if upright.has_transparency_data else "RGB"
        bare = Image.new(mode, upright.size)  # without the metadata that a copy would have
        bare.paste(upright.convert(mode))
    drawn = BytesIO()
    bare.save(drawn, "WEBP", quality=_QUALITY)
    return drawn.getvalue()


def _refused(reason: str) -> Invalid:
    return Invalid([Problem("/picture", reason)])


class Pictures:
    """The files of one data folder; the folder is created with the first picture."""

    def __init__(self, data: Path) -> None:
        self._folder = data / FOLDER
        self._unfinished = self._folder / "tmp"  # backups leave this name out

    def keep(self, picture: bytes) -> str:
        """Write a picture durably; returns its name. Raises StorageFull or Unavailable."""
        name = f"{hashlib.sha256(picture).hexdigest()}.webp"
        try:
            make_folder(self._unfinished)
            write_new(self._unfinished / name, picture)
            (self._unfinished / name).replace(self._folder / name)
            sync_folder(self._folder)
        except OSError as error:
            what = "The picture could not be written, and nothing was changed"
            raise unavailable(what, error) from error
        return name

    def read(self, name: str) -> bytes | None:
        """Return a picture; None where there is none of that name, or it cannot be read."""
        if not _NAME.fullmatch(name):
            return None
        try:
            return (self._folder / name).read_bytes()
        except OSError:
            return None

    def is_whole(self, name: str) -> bool:
        """Whether the file is there, and has the content of its name."""
        picture = self.read(name)
        return picture is not None and f"{hashlib.sha256(picture).hexdigest()}.webp" == name

    def retire(self, name: str) -> None:
        """Begin the time that a file stays which its document will not name any more."""
        with suppress(OSError):
            os.utime(self._folder / name)

    def remove_unused(self, is_used: Callable[[str], bool]) -> None:
        """Remove files that no document has named for UNUSED_MAX_AGE_S, and unfinished ones.

        What cannot be removed stays until the next time.
        """
        oldest = time.time() - UNUSED_MAX_AGE_S
        for path in (*self._folder.glob("*.webp"), *self._unfinished.glob("*")):
            if path.parent == self._unfinished or not is_used(path.name):
                with suppress(OSError):
                    if path.stat().st_mtime < oldest:
                        path.unlink()
