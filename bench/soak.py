"""Has a shop work steadily for long, and shows that nothing piles up: `python -m bench.soak`.

Two hundred orders a second for twenty minutes, unless told otherwise; each is deleted when it is
the ten-thousandth before the last, so that what is kept stays the same. What grows all the same is
a leak. Deletions send no mail. Meanwhile, every few seconds: the memory and the open files of
all processes, the journal's size, and how late deliveries are. The page goes to stdout and to
bench/soak.md, its plot to bench/soak.svg.
"""

import argparse
import http.client
import statistics
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import leather
from prometheus_client.parser import text_string_to_metric_families

from app.config import Config
from bench.flow import JSON
from bench.machine import facts
from bench.servers import HOST, ROOT, Place, running, work_folder
from bench.workload import write_orders

RESULTS, PLOT = ROOT / "bench" / "soak.md", ROOT / "bench" / "soak.svg"
SENDERS = 16
EVERY_S = 5.0
WORKERS = 2
MIB = 1 << 20

SETTINGS = {"DAYBOOK_MAILS": ",".join(sorted(Config.mails - {"deleted"}))}
"""As by default, but nobody is told of the deletions, which no shop has two hundred of a second."""


class Sample(NamedTuple):
    """How the shop stood, `at` seconds after the start; of all processes together."""

    at: float
    memory_mib: float
    open_files: int
    journal_mib: float
    late_s: float
    handled_s: float


MEASURED: tuple[tuple[str, str, Callable[[Sample], float]], ...] = (
    ("memory of all processes", "MiB", lambda sample: sample.memory_mib),
    ("open files of all processes", "", lambda sample: float(sample.open_files)),
    ("journal", "MiB", lambda sample: sample.journal_mib),
    ("the oldest delivery waits", "s", lambda sample: sample.late_s),
    ("from an event to its handler being done, mean", "s", lambda sample: sample.handled_s),
)


@dataclass
class Sent:
    """What the senders did. An answer is timed from when its request was due to leave."""

    answers_s: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def main() -> int:
    """Measure, print, and write the page and the plot."""
    given = _arguments()
    with work_folder(given.folder) as work:
        write_orders(work / "orders")
        bodies = (work / "orders").read_bytes().splitlines()
        with running("daybook", WORKERS, work, settings=SETTINGS) as place:
            sent, samples = _soak(place, bodies, given)
    page = _page(given, sent, samples)
    print(page)
    RESULTS.write_text(page, "utf-8")
    PLOT.write_text(plot(samples), "utf-8")
    return 1 if sent.failures else 0


def _soak(
    place: Place, bodies: list[bytes], given: argparse.Namespace
) -> tuple[Sent, list[Sample]]:
    sent, ends_at = Sent(), time.monotonic() + given.minutes * 60
    senders = [
        threading.Thread(target=_send, args=(place, bodies, given, n, ends_at, sent))
        for n in range(SENDERS)
    ]
    for sender in senders:
        sender.start()
    samples = _watch(place, ends_at)
    for sender in senders:
        sender.join()
    return sent, samples


def _send(
    place: Place,
    bodies: list[bytes],
    given: argparse.Namespace,
    offset: int,
    ends_at: float,
    sent: Sent,
) -> None:
    """Send this sender's share, on time whatever the answers take, and delete what is old."""
    connection = http.client.HTTPConnection(HOST, place.port, timeout=30)
    kept: deque[str] = deque()
    due, pause_s = time.monotonic() + offset / given.rate, SENDERS / given.rate
    number = offset
    while due < ends_at:
        time.sleep(max(due - time.monotonic(), 0))
        connection.request("POST", "/order", bodies[number % len(bodies)], JSON)
        kept.append(_answered(connection, 201, sent))
        sent.answers_s.append(time.monotonic() - due)
        if given.keep and len(kept) > given.keep // SENDERS and (old := kept.popleft()):
            connection.request("DELETE", old)
            _answered(connection, 200, sent)
        number += SENDERS
        due += pause_s
    connection.close()


def _answered(connection: http.client.HTTPConnection, status: int, sent: Sent) -> str:
    """Where the new order is; notes an answer with another status."""
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != status:
        sent.failures.append(f"{answer.status}: {text[:200]!r}")
    return answer.getheader("Location", "")


def _watch(place: Place, ends_at: float) -> list[Sample]:
    began = time.monotonic()
    samples: list[Sample] = []
    before = _handled(place)
    while time.monotonic() < ends_at:
        time.sleep(EVERY_S)
        now = _handled(place)
        (seconds, number, late_s), (seconds_before, number_before, _) = now, before
        handled_s = (seconds - seconds_before) / max(number - number_before, 1)
        before = now
        memory, files = _of_workers(place.pid)
        at = time.monotonic() - began
        samples.append(Sample(at, memory / MIB, files, _journal(place) / MIB, late_s, handled_s))
    return samples


def _handled(place: Place) -> tuple[float, float, float]:
    """Seconds that deliveries have taken, how many there were, and how late the oldest one is."""
    connection = http.client.HTTPConnection(HOST, place.port, timeout=30)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    told = [sample for each in text_string_to_metric_families(text) for sample in each.samples]

    def total(name: str) -> float:
        return sum(sample.value for sample in told if sample.name == name)

    delay = "daybook_delivery_delay_seconds"
    return total(f"{delay}_sum"), total(f"{delay}_count"), total("daybook_delivery_due_seconds")


def _of_workers(pid: int) -> tuple[int, int]:
    """The private memory, in bytes, and the open files of all child processes."""
    workers = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    memory = sum(_private_bytes(worker) for worker in workers)
    return memory, sum(len(list(Path(f"/proc/{worker}/fd").iterdir())) for worker in workers)


def _private_bytes(pid: str) -> int:
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if "RssAnon" in line)


def _journal(place: Place) -> int:
    size = 0
    for segment in (place.data / "journal").iterdir():
        with suppress(FileNotFoundError):  # a checkpoint has removed it meanwhile
            size += segment.stat().st_size
    return size


def plot(samples: Sequence[Sample]) -> str:
    """What was measured, one chart below the other, as an SVG document."""
    grid = leather.Grid()
    for title, unit, of in MEASURED:
        chart = leather.Chart(f"{title}, {unit}" if unit else title)
        chart.add_line([(sample.at / 60, of(sample)) for sample in samples])
        chart.add_y_scale(0, max(*map(of, samples), 0.001) * 1.2)
        chart.add_x_axis(name="minutes")
        grid.add_one(chart)
    return str(grid.to_svg(width=900, height=1100))


def _page(given: argparse.Namespace, sent: Sent, samples: Sequence[Sample]) -> str:
    listed = "\n".join(f"- {name}: {fact}" for name, fact in facts(given.folder).items())
    quantiles_ms = [1000 * each for each in statistics.quantiles(sent.answers_s, n=100)]
    orders = len(sent.answers_s)
    rows = "\n".join(_row(title, unit, [*map(of, samples)]) for title, unit, of in MEASURED)
    return f"""\
# A steady day

Written by `make soak`; do not edit. The load driver shares the machine.

{listed}
- {given.minutes:g} minutes at {given.rate} orders a second: {orders:,} orders; {_told_kept(given)}
- Answers that were no success: {len(sent.failures)} {" ".join(sent.failures[:3])}
- From when an order was due to leave until its answer: median {quantiles_ms[49]:.1f} ms, \
99th percentile {quantiles_ms[98]:.1f} ms

![Memory, open files, journal and delay over the minutes](soak.svg)

| | first third, median | second | last | largest |
| --- | ---: | ---: | ---: | ---: |
{rows}
"""


def _row(title: str, unit: str, values: list[float]) -> str:
    third = max(len(values) // 3, 1)
    thirds = [values[:third], values[third : 2 * third] or values, values[-third:]]
    cells = [*map(statistics.median, thirds), max(values)]
    name = f"{title} ({unit})" if unit else title
    return f"| {name} | {' | '.join(f'{cell:.4g}' for cell in cells)} |"


def _told_kept(given: argparse.Namespace) -> str:
    return f"the newest {given.keep:,} are kept" if given.keep else "all are kept"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("minutes", type=float, nargs="?", default=20.0)
    parser.add_argument("--rate", type=int, default=200, help="orders a second")
    parser.add_argument("--keep", type=int, default=10_000, help="delete older orders; 0: none")
    parser.add_argument("--folder", type=Path, help="a folder on a disk for the data")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
