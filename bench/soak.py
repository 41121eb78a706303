"""Runs a shop under a steady load and looks for leaks: `python -m bench.soak`.

By default 200 orders a second for twenty minutes. The newest 10,000 orders are kept and older ones
deleted, without mail, so that the number of stored orders stays the same; whatever grows is a leak.
Every five seconds it samples the memory and the open files of all processes, the size of the
journal and the delay of deliveries. The page goes to stdout and to bench/soak.md, its plot to
bench/soak.svg.
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
from bench.clients import JSON
from bench.machine import facts
from bench.servers import HOST, ROOT, Instance, running, work_folder
from bench.workload import write_orders

RESULTS, PLOT = ROOT / "bench" / "soak.md", ROOT / "bench" / "soak.svg"
SENDERS = 16
SAMPLE_INTERVAL_S = 5.0
WORKERS = 2
MIB = 1 << 20

SETTINGS = {"DAYBOOK_MAILS": ",".join(sorted(Config.mails - {"deleted"}))}
"""The defaults without mail for deletions: no real shop deletes 200 orders a second."""


class Sample(NamedTuple):
    """One sample over all processes, `at` seconds after the start."""

    at: float
    memory_mib: float
    open_files: int
    journal_mib: float
    due_s: float
    handled_s: float


MEASURED: tuple[tuple[str, str, Callable[[Sample], float]], ...] = (
    ("memory of all processes", "MiB", lambda sample: sample.memory_mib),
    ("open files of all processes", "", lambda sample: float(sample.open_files)),
    ("journal", "MiB", lambda sample: sample.journal_mib),
    ("the oldest delivery waits", "s", lambda sample: sample.due_s),
    ("from an event to its handler's success, mean", "s", lambda sample: sample.handled_s),
)


@dataclass
class Sent:
    """The senders' results; response times count from when the request was due to be sent."""

    response_times_s: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def main() -> int:
    """Measure, print, and write the page and the plot."""
    args = _arguments()
    with work_folder(args.folder) as work:
        write_orders(work / "orders")
        bodies = (work / "orders").read_bytes().splitlines()
        with running("daybook", WORKERS, work, settings=SETTINGS) as instance:
            sent, samples = _soak(instance, bodies, args)
    page = _page(args, sent, samples)
    print(page)
    RESULTS.write_text(page, "utf-8")
    PLOT.write_text(plot(samples), "utf-8")
    return 1 if sent.failures else 0


def _soak(
    instance: Instance, bodies: list[bytes], args: argparse.Namespace
) -> tuple[Sent, list[Sample]]:
    sent, ends_at = Sent(), time.monotonic() + args.minutes * 60
    senders = [
        threading.Thread(target=_send, args=(instance, bodies, args, n, ends_at, sent))
        for n in range(SENDERS)
    ]
    for sender in senders:
        sender.start()
    samples = _sample(instance, ends_at)
    for sender in senders:
        sender.join()
    return sent, samples


def _send(
    instance: Instance,
    bodies: list[bytes],
    args: argparse.Namespace,
    offset: int,
    ends_at: float,
    sent: Sent,
) -> None:
    """Send this sender's share at a fixed rate, and delete old orders."""
    connection = http.client.HTTPConnection(HOST, instance.port, timeout=30)
    kept: deque[str] = deque()
    due, pause_s = time.monotonic() + offset / args.rate, SENDERS / args.rate
    number = offset
    while due < ends_at:
        time.sleep(max(due - time.monotonic(), 0))
        connection.request("POST", "/order", bodies[number % len(bodies)], JSON)
        kept.append(_receive(connection, 201, sent))
        sent.response_times_s.append(time.monotonic() - due)
        if args.keep and len(kept) > args.keep // SENDERS and (old := kept.popleft()):
            connection.request("DELETE", old)
            _receive(connection, 200, sent)
        number += SENDERS
        due += pause_s
    connection.close()


def _receive(connection: http.client.HTTPConnection, status: int, sent: Sent) -> str:
    """Return the Location of the response; record a failure for another status."""
    response = connection.getresponse()
    text = response.read()
    if response.status != status:
        sent.failures.append(f"{response.status}: {text[:200]!r}")
    return response.getheader("Location", "")


def _sample(instance: Instance, ends_at: float) -> list[Sample]:
    began = time.monotonic()
    samples: list[Sample] = []
    before = _delivery_totals(instance)
    while time.monotonic() < ends_at:
        time.sleep(SAMPLE_INTERVAL_S)
        now = _delivery_totals(instance)
        (seconds, number, due_s), (seconds_before, number_before, _) = now, before
        handled_s = (seconds - seconds_before) / max(number - number_before, 1)
        before = now
        memory, files = _memory_and_files(instance.pid)
        at = time.monotonic() - began
        samples.append(
            Sample(at, memory / MIB, files, _journal_bytes(instance) / MIB, due_s, handled_s)
        )
    return samples


def _delivery_totals(instance: Instance) -> tuple[float, float, float]:
    """Return the summed seconds of all deliveries, their number, and the oldest one's delay."""
    connection = http.client.HTTPConnection(HOST, instance.port, timeout=30)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    samples = [sample for each in text_string_to_metric_families(text) for sample in each.samples]

    def total(name: str) -> float:
        return sum(sample.value for sample in samples if sample.name == name)

    delay = "daybook_delivery_delay_seconds"
    return total(f"{delay}_sum"), total(f"{delay}_count"), total("daybook_delivery_due_seconds")


def _memory_and_files(pid: int) -> tuple[int, int]:
    """Return the private memory in bytes and the open files, summed over all child processes."""
    workers = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    memory = sum(_private_bytes(worker) for worker in workers)
    return memory, sum(len(list(Path(f"/proc/{worker}/fd").iterdir())) for worker in workers)


def _private_bytes(pid: str) -> int:
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if "RssAnon" in line)


def _journal_bytes(instance: Instance) -> int:
    size = 0
    for segment in (instance.data / "journal").iterdir():
        with suppress(FileNotFoundError):  # removed by a checkpoint meanwhile
            size += segment.stat().st_size
    return size


def plot(samples: Sequence[Sample]) -> str:
    """Return the charts, one below the other, as an SVG document."""
    grid = leather.Grid()
    for title, unit, of in MEASURED:
        chart = leather.Chart(f"{title}, {unit}" if unit else title)
        chart.add_line([(sample.at / 60, of(sample)) for sample in samples])
        chart.add_y_scale(0, max(*map(of, samples), 0.001) * 1.2)
        chart.add_x_axis(name="minutes")
        grid.add_one(chart)
    return str(grid.to_svg(width=900, height=1100))


def _page(args: argparse.Namespace, sent: Sent, samples: Sequence[Sample]) -> str:
    fact_lines = "\n".join(f"- {name}: {fact}" for name, fact in facts(args.folder).items())
    quantiles_ms = [1000 * each for each in statistics.quantiles(sent.response_times_s, n=100)]
    orders = len(sent.response_times_s)
    rows = "\n".join(_row(title, unit, [*map(of, samples)]) for title, unit, of in MEASURED)
    return f"""\
# A steady day

Written by `make soak`; do not edit. The load driver shares the machine.

{fact_lines}
- {args.minutes:g} minutes at {args.rate} orders a second: {orders:,} orders; {_describe_kept(args)}
- Failed responses: {len(sent.failures)} {" ".join(sent.failures[:3])}
- From the due time of an order to its response: median {quantiles_ms[49]:.1f} ms, \
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


def _describe_kept(args: argparse.Namespace) -> str:
    return f"the newest {args.keep:,} are kept" if args.keep else "all are kept"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("minutes", type=float, nargs="?", default=20.0)
    parser.add_argument("--rate", type=int, default=200, help="orders a second")
    parser.add_argument("--keep", type=int, default=10_000, help="delete older orders; 0: none")
    parser.add_argument("--folder", type=Path, help="a folder on a disk for the data")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
