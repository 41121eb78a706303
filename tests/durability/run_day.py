"""`python -m tests.durability.run_day FOLDER`: runs the day; prints "done" per operation."""

import os
import sys
from pathlib import Path

from tests.durability.day import Shop, a_day


def main(folder: str) -> None:
    """Run the day; each line is written after its operation was acknowledged."""
    shop = Shop(Path(folder))
    for operation in a_day():
        shop.do(operation)
        os.write(1, b"done\n")
    shop.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
