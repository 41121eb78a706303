"""Measures the deliveries after the response: `python -m bench.flow`.

* Full flow: sixteen clients send orders as fast as they can, until every handler has done its part.
* Delay: at 200 orders a second, the time from each order to its last handler.
* Replay: thousands of deliveries fail permanently; the rate of `flask replay --all`.
* Peers: the full flow beside that of other services (bench.flow_peers).

The times of the first three are those that Daybook records in events.json. The page goes to stdout
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
from functools import partial
from pathlib import Path

from app.events.subscriptions import is_subscriber
from bench.clients import (
    CLIENTS,
    EMPTY,
    JSON,
    request,
    send_orders,
    timestamp,
    wait_until,
    wait_until_delivered,
)
from bench.flow_peers import compare, section
from bench.load import Measurement, percentile
from bench.machine import facts
from bench.servers import HOST, ROOT, Instance, running, work_folder
from bench.workload import write_orders

RESULTS = ROOT / "bench" / "flow.md"
PACE_PER_S = 200
SENDERS = 4


def main() -> int:
    """Measure, print, and write the page."""
    args = _arguments()
    with work_folder(args.folder) as work:
        orders = work / "orders.ndjson"
        write_orders(orders)
        bodies = orders.read_bytes().splitlines()
        start = partial(running, "daybook", args.workers, work)
        with start() as instance:
            flow = measure_full_flow(instance, bodies, args.orders)
        with start() as instance:
            delays_ms = measure_delays(instance, bodies, args.seconds)
        with start(settings={"DAYBOOK_FAULTS": "on"}) as instance:
            replayed_per_s = measure_replay(instance, bodies, args.failures)
        rates = compare(work, bodies, args.workers, args.peer_orders, args.rounds)
    page = "\n".join([_page(args, flow, delays_ms, replayed_per_s), section(rates)])
    print(page)
    RESULTS.write_text(page, "utf-8")
    return 0


def measure_full_flow(
    instance: Instance, bodies: list[bytes], orders: int
) -> tuple[Measurement, float]:
    """Return the load driver's measurement, and the orders a second through all handlers."""
    send_orders(instance, bodies, 500)
    wait_until_delivered(instance)
    warm_up = spans_by_order(instance).keys()
    acknowledged = send_orders(instance, bodies, orders)
    wait_until_delivered(instance)
    spans = [span for order, span in spans_by_order(instance).items() if order not in warm_up]
    return acknowledged, orders / (max(end for _, end in spans) - min(begin for begin, _ in spans))


def measure_delays(
    instance: Instance, bodies: list[bytes], seconds: float, per_second: int = PACE_PER_S
) -> list[float]:
    """Return the time of each order from its event to its last handler, in milliseconds."""
    send_orders(instance, bodies, 200)
    wait_until_delivered(instance)
    warm_up = spans_by_order(instance).keys()
    senders = [
        threading.Thread(target=_send_paced, args=(instance, bodies, seconds, per_second, n))
        for n in range(SENDERS)
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    wait_until_delivered(instance)
    spans = spans_by_order(instance).items()
    return [(end - begin) * 1000 for order, (begin, end) in spans if order not in warm_up]


def measure_replay(instance: Instance, bodies: list[bytes], failures: int) -> float:
    """Return the entries of failure.json replayed a second, with the start of the command."""
    request(instance, "PUT", "/fault/billing", b'{"mode": "reject"}')
    send_orders(instance, bodies, failures)
    wait_until(lambda: _lines(instance, "failure.json") >= failures)
    request(instance, "DELETE", "/fault/billing")
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "flask", "replay", "--all"],
        cwd=ROOT,
        env=dict(instance.environment),
        check=True,
        capture_output=True,
    )
    took_s = time.monotonic() - began
    wait_until_delivered(instance)
    if _lines(instance, "failure.json"):
        raise RuntimeError("the replay left failures behind")
    return failures / took_s


def _lines(instance: Instance, name: str) -> int:
    """Return the number of documents in a readable file."""
    return (instance.data / name).read_bytes().count(b"\n") - EMPTY.count(b"\n")


def spans_by_order(instance: Instance) -> dict[str, tuple[float, float]]:
    """Return the times of each order's first event and of its last delivery to the shop."""
    times: defaultdict[str, list[float]] = defaultdict(list)
    for name in ("events.json", "subscriber_outbox.json"):
        for line in (instance.data / name).read_bytes().splitlines():
            if line.startswith(b"{"):
                record = json.loads(line.rstrip(b","))
                deliveries = record["deliveries"].items()
                done = (each["at"] for handler, each in deliveries if not is_subscriber(handler))
                times_of_record = [record["event"]["time"], *done]
                times[record["event"]["subject"]] += map(timestamp, times_of_record)
    return {subject: (min(moments), max(moments)) for subject, moments in times.items()}


def _send_paced(
    instance: Instance, bodies: list[bytes], seconds: float, per_second: int, sender: int
) -> None:
    """Send this sender's share of the orders, at a fixed rate."""
    connection = http.client.HTTPConnection(HOST, instance.port, timeout=30)
    began = time.monotonic() + sender / per_second
    for n in range(int(seconds * per_second / SENDERS)):
        time.sleep(max(began + n * SENDERS / per_second - time.monotonic(), 0))
        connection.request("POST", "/order", bodies[n % len(bodies)], JSON)
        connection.getresponse().read()
    connection.close()


def _page(
    args: argparse.Namespace,
    flow: tuple[Measurement, float],
    delays_ms: list[float],
    replayed_per_s: float,
) -> str:
    acknowledged, handled_per_s = flow
    fact_lines = [f"- {name}: {fact}" for name, fact in facts(args.folder).items()]
    ordered = sorted(delays_ms)
    p99_ms = percentile(ordered, 99)
    return "\n".join(
        [
            "# From the order to its last handler",
            "",
            "Written by `python -m bench.flow`; do not edit.",
            "",
            *fact_lines,
            f"- {args.workers} workers, {CLIENTS} clients",
            "",
            "| figure | |",
            "| --- | ---: |",
            f"| {args.orders:,} orders acknowledged, per second | {acknowledged.per_second:,.0f} |",
            f"| the same, through all their handlers, per second | **{handled_per_s:,.0f}** |",
            f"| delay at {PACE_PER_S} orders a second, median "
            f"| **{statistics.median(ordered):.0f} ms** |",
            f"| the same, 99th percentile | {p99_ms:.0f} ms |",
            f"| {args.failures:,} failures replayed, per second | **{replayed_per_s:,.0f}** |",
            "",
        ]
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.flow", description=__doc__)
    parser.add_argument("--orders", type=int, default=10_000, help="of the full flow")
    parser.add_argument("--seconds", type=float, default=10.0, help="of the paced orders")
    parser.add_argument("--failures", type=int, default=5_000, help="to be replayed")
    parser.add_argument("--peer-orders", type=int, default=1_500, help="of each run beside peers")
    parser.add_argument("--rounds", type=int, default=3, help="of the runs beside peers")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="a folder on a disk for the data")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
