"""Listening sockets: connections are distributed, and a stop serves or refuses each client."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from app.server.sockets import bind, stop_accepting, stop_listening
from tests.processes.servers import free_port

PATIENCE_S = 60.0
CONNECTIONS = 64


@pytest.fixture
def listeners() -> Iterator[list[socket.socket]]:
    """Two sockets of one server, both listening."""
    with ExitStack() as stack:
        listeners = [
            stack.enter_context(listener) for listener in bind("127.0.0.1", free_port(), 2)
        ]
        for listener in listeners:
            listener.listen(2 * CONNECTIONS)
        yield listeners


@pytest.fixture
def connections() -> Iterator[ExitStack]:
    """Keeps connections open until the end of the test."""
    with ExitStack() as connections:
        yield connections


def connect(listener: socket.socket, connections: ExitStack) -> socket.socket:
    return connections.enter_context(
        socket.create_connection(listener.getsockname(), timeout=PATIENCE_S)
    )


def accept_all(listener: socket.socket, connections: ExitStack) -> list[socket.socket]:
    """Accept every connection in the queue of this socket."""
    found = []
    try:
        while True:
            found.append(connections.enter_context(listener.accept()[0]))
    except BlockingIOError:
        return found


def test_connections_are_distributed_over_the_sockets(
    listeners: list[socket.socket], connections: ExitStack
) -> None:
    """Connections that arrive together do not all go to one socket."""
    for _ in range(CONNECTIONS):
        connect(listeners[0], connections)
    counts = [len(accept_all(listener, connections)) for listener in listeners]
    assert sum(counts) == CONNECTIONS
    assert min(counts) > CONNECTIONS // 16


def test_a_socket_that_does_not_listen_gets_no_connection(
    listeners: list[socket.socket], connections: ExitStack
) -> None:
    """All connections go to the other socket until this one listens again."""
    stop_listening(listeners[0])
    for _ in range(CONNECTIONS):
        connect(listeners[1], connections)
    assert len(accept_all(listeners[1], connections)) == CONNECTIONS
    listeners[0].listen(2 * CONNECTIONS)
    for _ in range(CONNECTIONS):
        connect(listeners[1], connections)
    assert accept_all(listeners[0], connections)


def test_a_socket_that_never_listened_can_stop_listening() -> None:
    """A worker can die before it listens."""
    (listener,) = bind("127.0.0.1", free_port(), 1)
    with listener:
        stop_listening(listener)
        listener.listen()


def test_no_other_program_shares_the_address(listeners: list[socket.socket]) -> None:
    """A second Daybook is refused the address, too."""
    host, port = listeners[0].getsockname()
    with pytest.raises(OSError, match="in use"):
        bind(host, port, 2)


def test_small_responses_are_not_delayed(
    listeners: list[socket.socket], connections: ExitStack
) -> None:
    """Accepted connections inherit TCP_NODELAY (no Nagle delay, RFC 9293, 3.7.4)."""
    client = connect(listeners[0], connections)
    for listener in listeners:
        for each in accept_all(listener, connections):
            assert each.getpeername() == client.getsockname()
            assert each.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_stop_serves_every_connected_client(
    listeners: list[socket.socket], connections: ExitStack
) -> None:
    """Clients that were accepted before, and clients in the accept queue."""
    clients = {
        client.getsockname(): client
        for client in (connect(listeners[0], connections) for _ in range(9))
    }
    accepted = accept_all(listeners[0], connections)
    stopping = threading.Thread(target=stop_accepting, args=(listeners,))
    stopping.start()
    accepted += accept_all(listeners[1], connections)
    stopping.join(PATIENCE_S)
    assert not stopping.is_alive()
    assert len(accepted) == len(clients)
    for each in accepted:
        each.setblocking(True)
        client = clients[each.getpeername()]
        client.sendall(b"question")
        assert each.recv(100) == b"question"
        each.sendall(b"answer")
        assert client.recv(100) == b"answer"


def test_a_stop_accepts_no_new_client(listeners: list[socket.socket]) -> None:
    """The kernel refuses a new client, before and after the sockets are closed."""
    stop_accepting(listeners)
    address = listeners[0].getsockname()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=PATIENCE_S)
    for listener in listeners:
        listener.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=PATIENCE_S)


def test_a_stop_waits_for_a_limited_time(
    listeners: list[socket.socket], connections: ExitStack
) -> None:
    """A worker that no longer accepts connections does not block the stop."""
    connect(listeners[0], connections)
    stop_accepting(listeners, timeout_s=0.1)
    assert sum(len(accept_all(listener, connections)) for listener in listeners) == 1
