"""Closes the door of a server before its workers leave, so that nobody is left standing in between.

A listening socket takes connections for as long as some process has it open, and whoever came in
without being served is cut off when the last one closes it. So at a stop the socket first gets a
filter that drops requests to connect (the SYN of RFC 9293); those that are in are still served.
Who is dropped asks again a second later, and is refused, or finds the next server.
"""

import ctypes
import logging
import socket
import struct
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


def take_no_more(listening: socket.socket, longest_s: float = LONGEST_S) -> None:
    """Let nobody else connect, and return when all who did are accepted, or after `longest_s`."""
    try:
        _attach(listening)
    except OSError as error:
        log.warning("clients may be cut off at this stop: %s", error.strerror)
        return
    ends_at = monotonic() + longest_s
    sleep(HANDSHAKE_S)
    while _waiting(listening) and monotonic() < ends_at:
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
