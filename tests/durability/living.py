"""`python -m tests.durability.living FOLDER`: the day in the shop, "done" for each operation."""

import os
import sys
from pathlib import Path

from tests.durability.day import Shop, a_day


def main(folder: str) -> None:
    """Live the day; each line is written at once, so it was acknowledged before."""
    shop = Shop(Path(folder))
    for operation in a_day():
        shop.do(operation)
        os.write(1, b"done\n")
    shop.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
