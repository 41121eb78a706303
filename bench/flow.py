"""Measures what comes after the answer: `python -m bench.flow`.

* Full flow: orders as fast as sixteen clients can send them, until every handler is done with all.
* Delay: two hundred orders a second; how long after each its last handler is done.
* Replay: thousands of deliveries fail for good; how fast `flask replay --all` gets them done.

The times are those that Daybook itself put on record in data/events.json. The page goes to stdout
and to bench/flow.md.
"""

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

from bench.load import Measurement, drive, render
from bench.machine import facts
from bench.servers import HOST, ROOT, Place, running, work_folder
from bench.workload import write_orders

RESULTS = ROOT / "bench" / "flow.md"
EMPTY = b"[\n]\n"
SETTLE_S = 600.0
PACE_PER_S = 200
SENDERS = 4
CLIENTS = 16
TAIL_BYTES = 1 << 16
JSON = {"Content-Type": "application/json"}


def main() -> int:
    """Measure, print, and write the page."""
    given = _arguments()
    with work_folder(given.folder) as work:
        orders = work / "orders.ndjson"
        write_orders(orders)
        bodies = orders.read_bytes().splitlines()
        start = partial(running, "daybook", given.workers, work)
        with start() as place:
            flow = full_flow(place, bodies, given.orders)
        with start() as place:
            delays_ms = paced(place, bodies, given.seconds)
        with start(settings={"DAYBOOK_FAULTS": "on"}) as place:
            replayed_per_s = replay(place, bodies, given.failures)
    page = _page(given, flow, delays_ms, replayed_per_s)
    print(page)
    RESULTS.write_text(page, "utf-8")
    return 0


def full_flow(place: Place, bodies: list[bytes], orders: int) -> tuple[Measurement, float]:
    """How fast the orders were acknowledged, and how many a second were handled to the end."""
    _send(place, bodies, 500)
    settle(place)
    warm_up = _spans(place).keys()
    acknowledged = _send(place, bodies, orders)
    settle(place)
    spans = [span for order, span in _spans(place).items() if order not in warm_up]
    return acknowledged, orders / (max(end for _, end in spans) - min(begin for begin, _ in spans))


def paced(place: Place, bodies: list[bytes], seconds: float) -> list[float]:
    """The delay of each order from its event to its last handler, in milliseconds."""
    _send(place, bodies, 200)
    settle(place)
    warm_up = _spans(place).keys()
    senders = [
        threading.Thread(target=_send_paced, args=(place, bodies, seconds, n / PACE_PER_S))
        for n in range(SENDERS)
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    settle(place)
    spans = _spans(place).items()
    return [(end - begin) * 1000 for order, (begin, end) in spans if order not in warm_up]


def replay(place: Place, bodies: list[bytes], failures: int) -> float:
    """Entries of failure.json that a `flask replay` gets done in a second, its start included."""
    _request(place, "PUT", "/fault/billing", b'{"mode": "reject"}')
    _send(place, bodies, failures)
    _wait_until(lambda: _lines(place, "failure.json") >= failures)
    _request(place, "DELETE", "/fault/billing")
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "flask", "replay", "--all"],
        cwd=ROOT,
        env=dict(place.environment),
        check=True,
        capture_output=True,
    )
    took_s = time.monotonic() - began
    settle(place)
    if _lines(place, "failure.json"):
        raise RuntimeError("the replay left failures behind")
    return failures / took_s


def settle(place: Place) -> None:
    """Wait until every event is delivered, and the readable files say so."""
    newest = json.loads(_request(place, "GET", "/order?limit=1"))["orders"][0]["order_id"].encode()

    def is_settled() -> bool:
        in_file = newest in _tail(place.data / "orders.json")
        return in_file and (place.data / "outbox.json").read_bytes() == EMPTY

    # the files are replaced one after the other, so look again when all have been
    _wait_until(is_settled)
    time.sleep(0.5)
    _wait_until(is_settled)


def _wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SETTLE_S
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError("the handlers did not catch up")
        time.sleep(0.05)


def _tail(file: Path) -> bytes:
    """The end of a readable file, where the newest document stands."""
    with file.open("rb") as opened:
        opened.seek(max(file.stat().st_size - TAIL_BYTES, 0))
        return opened.read()


def _lines(place: Place, name: str) -> int:
    """How many documents a readable file has."""
    return (place.data / name).read_bytes().count(b"\n") - EMPTY.count(b"\n")


def _spans(place: Place) -> dict[str, tuple[float, float]]:
    """For each order the moments of its first event and of its last finished delivery."""
    times: defaultdict[str, list[float]] = defaultdict(list)
    with (place.data / "events.json").open("rb") as lines:
        for line in lines:
            if line.startswith(b"{"):
                record = json.loads(line.rstrip(b",\n"))
                done = (delivery["at"] for delivery in record["deliveries"].values())
                moments = [record["event"]["time"], *done]
                times[record["event"]["subject"]] += map(_moment, moments)
    return {subject: (min(moments), max(moments)) for subject, moments in times.items()}


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _send(place: Place, bodies: list[bytes], orders: int) -> Measurement:
    """Have sixteen clients send so many orders, each as soon as it has its last answer."""
    requests = [render("POST", f"{place.url}/order", body) for body in bodies]
    return drive(HOST, place.port, requests, clients=CLIENTS, count=orders)


def _send_paced(place: Place, bodies: list[bytes], seconds: float, offset_s: float) -> None:
    """Send this sender's share of PACE_PER_S orders a second, on time whatever the answers take."""
    connection = http.client.HTTPConnection(HOST, place.port, timeout=30)
    began = time.monotonic() + offset_s
    for n in range(int(seconds * PACE_PER_S / SENDERS)):
        time.sleep(max(began + n * SENDERS / PACE_PER_S - time.monotonic(), 0))
        connection.request("POST", "/order", bodies[n % len(bodies)], JSON)
        connection.getresponse().read()
    connection.close()


def _request(place: Place, method: str, path: str, body: bytes = b"") -> bytes:
    connection = http.client.HTTPConnection(HOST, place.port, timeout=30)
    connection.request(method, path, body, JSON if body else {})
    response = connection.getresponse()
    text = response.read()
    connection.close()
    if response.status != http.HTTPStatus.OK:
        raise RuntimeError(f"{method} {path} answered {response.status}: {text!r}")
    return text


def _page(
    given: argparse.Namespace,
    flow: tuple[Measurement, float],
    delays_ms: list[float],
    replayed_per_s: float,
) -> str:
    acknowledged, handled_per_s = flow
    listed = [f"- {name}: {fact}" for name, fact in facts(given.folder).items()]
    ordered = sorted(delays_ms)
    p99_ms = ordered[-(-len(ordered) * 99 // 100) - 1]
    return "\n".join(
        [
            "# From the order to its last handler",
            "",
            "Written by `python -m bench.flow`; do not edit.",
            "",
            *listed,
            f"- {given.workers} workers, {CLIENTS} clients",
            "",
            "| figure | |",
            "| --- | ---: |",
            f"| {given.orders:,} orders acknowledged, per second "
            f"| {acknowledged.per_second:,.0f} |",
            f"| the same, through all their handlers, per second | **{handled_per_s:,.0f}** |",
            f"| delay at {PACE_PER_S} orders a second, median "
            f"| **{statistics.median(ordered):.0f} ms** |",
            f"| the same, 99 of 100 within | {p99_ms:.0f} ms |",
            f"| {given.failures:,} failures replayed, per second | **{replayed_per_s:,.0f}** |",
            "",
        ]
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.flow", description=__doc__)
    parser.add_argument("--orders", type=int, default=10_000, help="of the full flow")
    parser.add_argument("--seconds", type=float, default=10.0, help="of the paced orders")
    parser.add_argument("--failures", type=int, default=5_000, help="to be replayed")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="a folder on a disk for the data")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
