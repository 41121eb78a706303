"""The listening sockets of a server: one for each worker, all on the same address.

The kernel distributes new connections over all sockets that listen on the address (SO_REUSEPORT).
With a single shared socket, the first worker to wake would accept all connections that arrive
together, and with keep-alive clients it would do all the work. The server process keeps the sockets
open, so that connections in the accept queue survive the restart of a worker.

A socket accepts connections as long as any process has it open, and the kernel resets the queued
ones when the last process closes it. At a stop, the server therefore first binds the sockets to a
network interface that does not exist. The kernel then finds no socket for a new connection request
(SYN, RFC 9293) and refuses it, while connections that are queued or in their handshake keep the
interface that they came in by, and are served. This needs no capability from Linux 5.7 on; a packet
filter (SO_ATTACH_FILTER) on a TCP socket needs CAP_NET_ADMIN from Linux 6.18 on.
"""

import logging
import socket
import struct
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from time import monotonic, sleep

log = logging.getLogger(__name__)

SO_BINDTOIFINDEX = 62
"""Linux, asm-generic/socket.h: only packets of this network interface reach the socket."""

_NO_INTERFACE = 0x7FFFFFFF
"""An index that no network interface has: the highest one; the kernel counts up from 1."""

_TCP_INFO_UNACKED_OFFSET = 24
"""Offset of tcpi_unacked in tcp_info: for a listening socket, the length of its accept queue."""

HANDSHAKE_S = 0.05
"""Time allowed for the last packet of a TCP handshake that began before the stop."""

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
    """Refuse new connection requests; return when all queued connections are accepted.

    Returns after `timeout_s` seconds at the latest, and at once, with a warning in the log, where
    the kernel does not allow it.
    """
    try:
        for listener in listeners:
            listener.setsockopt(socket.SOL_SOCKET, SO_BINDTOIFINDEX, _NO_INTERFACE)
    except OSError as error:
        log.warning("clients may be cut off at this stop: %s", error.strerror)
        return
    deadline = monotonic() + timeout_s
    sleep(HANDSHAKE_S)
    while any(map(_accept_queue_length, listeners)) and monotonic() < deadline:
        sleep(HANDSHAKE_S / 10)


def _accept_queue_length(listener: socket.socket) -> int:
    offset = _TCP_INFO_UNACKED_OFFSET
    info = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, offset + 4)
    return int(struct.unpack_from("@I", info, offset)[0])
