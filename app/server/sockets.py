"""The listening sockets of a server: one for each worker, all on the same address.

The kernel distributes new connections over all sockets that listen on the address (SO_REUSEPORT).
With a single shared socket, the first worker to wake would accept all connections that arrive
together, and with keep-alive clients it would do all the work. The server process keeps the sockets
open, so that connections in the accept queue survive the restart of a worker.

A socket accepts connections as long as any process has it open, and the kernel resets the queued
ones when the last process closes it. At a stop, the server therefore first attaches a packet filter
that drops connection requests (SYN, RFC 9293); connections that are already queued are served. A
client whose SYN was dropped sends it again a second later, and is then refused, or served by the
next server.
"""

import ctypes
import logging
import socket
import struct
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from time import monotonic, sleep

log = logging.getLogger(__name__)

SO_ATTACH_FILTER = 26
"""Linux, asm-generic/socket.h: attaches a classic Berkeley packet filter."""

_DROP_SYN = (
    (0x30, 0, 0, 13),  # load the flags byte of the TCP header
    (0x45, 0, 1, 0x02),  # if SYN is set, go on to the next line, else skip it
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFFFFFF),  # accept
)
_TCP_INFO_UNACKED_OFFSET = 24
"""Offset of tcpi_unacked in tcp_info: for a listening socket, the length of its accept queue."""

HANDSHAKE_S = 0.05
"""Time allowed for the last packet of a TCP handshake that began before the filter was attached."""

DRAIN_TIMEOUT_S = 2.0


def bind(host: str, port: int, count: int) -> list[socket.socket]:
    """Return `count` sockets bound to one address. Raises OSError, also when the port is in use.

    The first socket is bound before SO_REUSEPORT is set on it, which fails when another program
    listens on the address.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listeners: list[socket.socket] = []
    with ExitStack() as unwind:
        for _ in range(count):
            listener = unwind.enter_context(socket.socket(family, kind, protocol))
            listener.setblocking(False)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # connections inherit it
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, bool(listeners))
            listener.bind(address)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listeners.append(listener)
        unwind.pop_all()
    return listeners


def stop_listening(listener: socket.socket) -> None:
    """Take the socket out of the distribution until a process listens again; resets its queue."""
    with suppress(OSError):  # no process has listened on it yet
        listener.shutdown(socket.SHUT_RDWR)


def stop_accepting(listeners: Sequence[socket.socket], timeout_s: float = DRAIN_TIMEOUT_S) -> None:
    """Drop new connection requests; return when all queued connections are accepted.

    Returns after `timeout_s` seconds at the latest, and at once, with a warning in the log, where
    the kernel refuses the filter.
    """
    try:
        for listener in listeners:
            _attach_filter(listener)
    except OSError as error:
        log.warning("clients may be cut off at this stop: %s", error.strerror)
        return
    deadline = monotonic() + timeout_s
    sleep(HANDSHAKE_S)
    while any(map(_accept_queue_length, listeners)) and monotonic() < deadline:
        sleep(HANDSHAKE_S / 10)


def _attach_filter(listener: socket.socket) -> None:
    instructions = b"".join(struct.pack("@HBBI", *each) for each in _DROP_SYN)
    buffer = ctypes.create_string_buffer(instructions, len(instructions))
    program = struct.pack("@HP", len(_DROP_SYN), ctypes.addressof(buffer))
    listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


def _accept_queue_length(listener: socket.socket) -> int:
    offset = _TCP_INFO_UNACKED_OFFSET
    info = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, offset + 4)
    return int(struct.unpack_from("@I", info, offset)[0])
