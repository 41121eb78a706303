"""The last lines of the log as they stand in its newest segment, for a person to look at."""

from os import SEEK_END
from pathlib import Path

from app.store.files.wal.segment import segment_numbers, segment_path


def last_lines(folder: Path, max_bytes: int) -> list[bytes]:
    """The whole lines in the last `max_bytes` of the newest segment, oldest first.

    Empty when there is none, or a checkpoint removes it at the same moment.
    """
    numbers = segment_numbers(folder)
    if not numbers:
        return []
    try:
        with segment_path(folder, numbers[-1]).open("rb") as file:
            begin = max(file.seek(0, SEEK_END) - max_bytes, 0)
            file.seek(begin)
            lines = file.read(max_bytes).split(b"\n")
    except FileNotFoundError:
        return []
    # the last part is unfinished, or empty; the first one too where the file was cut
    return lines[1 if begin else 0 : -1]
