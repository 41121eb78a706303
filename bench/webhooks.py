"""Measures what webhooks cost the orders: `python -m bench.webhooks`.

Twenty endpoints receive every event about orders: ten answer 200, five answer 500, five never
answer. First orders come at a fixed rate, which leaves the machine some time; then sixteen clients
send orders as fast as they can, until every handler of the shop has done its part. The same without
endpoints: the runs alternate, and the medians are compared.

The page goes to stdout and to bench/webhooks.md.
"""

import argparse
import asyncio
import json
import sys
import threading
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.clients import CLIENTS, request, send_orders, wait_until_delivered
from bench.flow import measure_delays, spans_by_order
from bench.load import percentile
from bench.machine import facts
from bench.servers import HOST, ROOT, Instance, running, work_folder
from bench.workload import write_orders

RESULTS = ROOT / "bench" / "webhooks.md"
SETTINGS = {"DAYBOOK_WEBHOOK_HTTP": "on", "DAYBOOK_WEBHOOK_PRIVATE": "on"}
ACCEPTING, REFUSING, HANGING = 10, 5, 5
PACE_PER_S, PACED_S = 50, 10.0
HANG_S = 3600.0


class Run(NamedTuple):
    """The median and the 99th percentile of delays, orders a second, and webhooks accepted."""

    delay_ms: float
    delay_p99_ms: float
    acknowledged_per_s: float
    handled_per_s: float
    accepted: int


class Receivers:
    """Receives on three ports of this machine, in a thread: accepting, refusing, hanging."""

    def __init__(self) -> None:
        self.accepted = 0
        self.ports: dict[str, int] = {}
        self._loop = asyncio.new_event_loop()
        self._is_ready = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()
        self._is_ready.wait()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._is_ready.set()
        self._loop.run_forever()

    async def _listen(self) -> None:
        for kind in ("200 OK", "500 Internal Server Error", ""):
            server = await asyncio.start_server(partial(self._receive, kind), HOST, 0)
            self.ports[kind] = server.sockets[0].getsockname()[1]

    async def _receive(
        self, kind: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = next(line for line in head.split("\r\n") if line.startswith("content-length:"))
        await reader.readexactly(int(length.partition(":")[2]))
        if not kind:
            await asyncio.sleep(HANG_S)
        self.accepted += kind.startswith("200")
        writer.write(f"HTTP/1.1 {kind}\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()


def main() -> int:
    """Measure, print, and write the page."""
    args = _arguments()
    receivers = Receivers()
    runs: dict[bool, list[Run]] = {False: [], True: []}
    with work_folder(args.folder) as work:
        orders = work / "orders.ndjson"
        write_orders(orders)
        bodies = orders.read_bytes().splitlines()
        for number in range(2 * args.runs):
            has_endpoints = number % 4 in (1, 2)
            with running("daybook", args.workers, work, settings=SETTINGS) as instance:
                run = measure(instance, bodies, args.orders, receivers if has_endpoints else None)
            runs[has_endpoints].append(run)
            print(f"{'with' if has_endpoints else 'without'} endpoints: {run}", file=sys.stderr)
    page = _page(args, runs)
    print(page)
    RESULTS.write_text(page, "utf-8")
    return 0


def measure(
    instance: Instance, bodies: list[bytes], orders: int, receivers: Receivers | None
) -> Run:
    """Add the endpoints, warm up, and measure one run."""
    for kind, count in zip(
        receivers.ports if receivers else (), (ACCEPTING, REFUSING, HANGING), strict=False
    ):
        for _ in range(count):
            url = f"http://{HOST}:{receivers.ports[kind]}/" if receivers else ""
            endpoint = json.dumps({"url": url, "types": ["order.*"]}).encode()
            request(instance, "POST", "/webhook", endpoint)
    delays_ms = sorted(measure_delays(instance, bodies, PACED_S, PACE_PER_S))
    warm_up = spans_by_order(instance).keys()
    before = receivers.accepted if receivers else 0
    acknowledged = send_orders(instance, bodies, orders)
    wait_until_delivered(instance)
    accepted = receivers.accepted - before if receivers else 0
    spans = [span for order, span in spans_by_order(instance).items() if order not in warm_up]
    took_s = max(end for _, end in spans) - min(begin for begin, _ in spans)
    p99_ms = percentile(delays_ms, 99)
    handled_per_s = len(spans) / took_s
    return Run(median(delays_ms), p99_ms, acknowledged.per_second, handled_per_s, accepted)


def _page(args: argparse.Namespace, runs: dict[bool, list[Run]]) -> str:
    fact_lines = [f"- {name}: {fact}" for name, fact in facts(args.folder).items()]
    without, with_ = (
        [median(each[n] for each in runs[key]) for n in range(len(Run._fields))] for key in runs
    )
    titles = (
        f"delay at {PACE_PER_S} orders a second, median, ms",
        "its 99th percentile, ms",
        "orders acknowledged a second, as fast as they come",
        "these through all handlers of the shop, a second",
    )
    rows = [
        (title, without[n], with_[n], f"{with_[n] / without[n]:.0%}")
        for n, title in enumerate(titles)
    ]
    return "\n".join(
        [
            "# Orders beside webhooks",
            "",
            "Written by `python -m bench.webhooks`; do not edit.",
            "",
            *fact_lines,
            f"- {args.workers} workers, {CLIENTS} clients, {args.orders:,} orders in each of "
            f"{args.runs} runs; medians",
            f"- {ACCEPTING + REFUSING + HANGING} endpoints for order.*: {ACCEPTING} answer 200, "
            f"{REFUSING} answer 500, {HANGING} never answer",
            "",
            "| figure | no endpoints | 20 endpoints | |",
            "| --- | ---: | ---: | ---: |",
            *(f"| {title} | {a:,.0f} | {b:,.0f} | {share} |" for title, a, b, share in rows),
            "",
            f"Meanwhile {with_[-1]:,.0f} webhooks were accepted; the others follow when there is "
            "time.",
            "",
        ]
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.webhooks", description=__doc__)
    parser.add_argument("--orders", type=int, default=5_000, help="of each run")
    parser.add_argument("--runs", type=int, default=4, help="of each kind")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="a folder on a disk for the data")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
