"""The doors of a server: one listening socket for each worker, all on the same address.

The kernel deals out those who come over all sockets at which somebody listens (SO_REUSEPORT). Were
there one for all, the worker that looks first would take everybody who came at the same time, and
with clients that stay connected it would work alone. The server keeps the sockets open, so who
waits at one is not cut off when its worker is replaced.

A listening socket takes connections for as long as some process has it open, and whoever came in
without being served is cut off when the last one closes it. So at a stop the sockets first get a
filter that drops requests to connect (the SYN of RFC 9293); those that are in are still served.
Who is dropped asks again a second later, and is refused, or finds the next server.
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
"""Linux, asm-generic/socket.h; it takes a program as the Berkeley packet filter has it."""

_DROP_SYN = (
    (0x30, 0, 0, 13),  # load the byte of the TCP header that has the flags
    (0x45, 0, 1, 0x02),  # is SYN among them? then go on here, else skip one
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFFFFFF),  # let pass
)
_UNACKED = 24
"""Where tcp_info has, for a listening socket, how many connections wait to be accepted."""

HANDSHAKE_S = 0.05
"""For who was let in just now: their last step may still be on its way."""

LONGEST_S = 2.0


def bind(host: str, port: int, number: int) -> list[socket.socket]:
    """So many sockets on one address. Raises OSError, also when another program listens there.

    The first is bound before it is told to share, which the system refuses when anybody is there.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listeners: list[socket.socket] = []
    with ExitStack() as unwind:
        for _ in range(number):
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


def leave(listener: socket.socket) -> None:
    """Have nobody sent here until somebody listens again; who waits here is cut off."""
    with suppress(OSError):  # nobody had listened yet
        listener.shutdown(socket.SHUT_RDWR)


def take_no_more(listeners: Sequence[socket.socket], longest_s: float = LONGEST_S) -> None:
    """Let nobody else connect, and return when all who did are accepted, or after `longest_s`."""
    try:
        for listener in listeners:
            _attach(listener)
    except OSError as error:
        log.warning("clients may be cut off at this stop: %s", error.strerror)
        return
    ends_at = monotonic() + longest_s
    sleep(HANDSHAKE_S)
    while any(map(_waiting, listeners)) and monotonic() < ends_at:
        sleep(HANDSHAKE_S / 10)


def _attach(listening: socket.socket) -> None:
    steps = b"".join(struct.pack("@HBBI", *step) for step in _DROP_SYN)
    program = ctypes.create_string_buffer(steps, len(steps))
    given = struct.pack("@HP", len(_DROP_SYN), ctypes.addressof(program))
    listening.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, given)


def _waiting(listening: socket.socket) -> int:
    info = listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _UNACKED + 4)
    waiting: int = struct.unpack_from("@I", info, _UNACKED)[0]
    return waiting
