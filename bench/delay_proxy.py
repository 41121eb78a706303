"""A network between a service and PostgreSQL: `python -m bench.delay_proxy PORT SOCKET DELAY_MS`.

Forwards each connection to PORT on loopback to the Unix socket, and passes on what either side
sends DELAY_MS later. bench.scale_out is the caller.
"""

import asyncio
import selectors
import sys

from bench.servers import HOST

READ_BYTES = 1 << 16


async def serve(port: int, target: str, delay_s: float) -> None:
    """Forward connections, forever."""

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_unix_connection(target)
        async with asyncio.TaskGroup() as group:
            group.create_task(_forward(reader, server_writer, delay_s))
            group.create_task(_forward(server_reader, writer, delay_s))

    async with await asyncio.start_server(connect, HOST, port) as server:
        await server.serve_forever()


async def _forward(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float
) -> None:
    """Pass on what arrives, each piece `delay_s` later, until the sender closes."""
    now = asyncio.get_running_loop().time
    pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def send() -> None:
        while True:
            due_at, data = await pieces.get()
            await asyncio.sleep(due_at - now())
            if not data:
                writer.close()
                return
            writer.write(data)

    async with asyncio.TaskGroup() as group:
        group.create_task(send())
        data = b" "
        while data:
            try:
                data = await reader.read(READ_BYTES)
            except ConnectionError:
                data = b""
            pieces.put_nowait((now() + delay_s, data))


def main() -> None:
    """Run until it is ended."""
    port, target, delay_ms = sys.argv[1:]
    # epoll rounds each wait up to whole milliseconds
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(serve(int(port), target, float(delay_ms) / 1000))


if __name__ == "__main__":
    main()
