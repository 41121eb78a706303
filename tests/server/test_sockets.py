"""The doors of a server: who comes is dealt out, and when they close, served or told so."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from app.server.sockets import bind, stop_accepting, stop_listening
from tests.processes.servers import free_port

PATIENCE_S = 20.0
MANY = 64


@pytest.fixture
def listeners() -> Iterator[list[socket.socket]]:
    """Two, at which somebody listens."""
    with ExitStack() as stack:
        listeners = [
            stack.enter_context(listener) for listener in bind("127.0.0.1", free_port(), 2)
        ]
        for listener in listeners:
            listener.listen(2 * MANY)
        yield listeners


@pytest.fixture
def people() -> Iterator[ExitStack]:
    """Keeps connections until the test is over."""
    with ExitStack() as people:
        yield people


def connected(listener: socket.socket, people: ExitStack) -> socket.socket:
    return people.enter_context(
        socket.create_connection(listener.getsockname(), timeout=PATIENCE_S)
    )


def accepted(listener: socket.socket, people: ExitStack) -> list[socket.socket]:
    """All who wait at this door."""
    found = []
    try:
        while True:
            found.append(people.enter_context(listener.accept()[0]))
    except BlockingIOError:
        return found


def test_people_are_dealt_out(listeners: list[socket.socket], people: ExitStack) -> None:
    """Many who come at the same time do not all stand at one door."""
    for _ in range(MANY):
        connected(listeners[0], people)
    at_each = [len(accepted(listener, people)) for listener in listeners]
    assert sum(at_each) == MANY
    assert min(at_each) > MANY // 16


def test_a_door_that_was_left_gets_nobody(
    listeners: list[socket.socket], people: ExitStack
) -> None:
    """All go to the others, until somebody listens there again."""
    stop_listening(listeners[0])
    for _ in range(MANY):
        connected(listeners[1], people)
    assert len(accepted(listeners[1], people)) == MANY
    listeners[0].listen(2 * MANY)
    for _ in range(MANY):
        connected(listeners[1], people)
    assert accepted(listeners[0], people)


def test_leaving_where_nobody_listens_is_harmless() -> None:
    """A worker can die before it serves."""
    (listener,) = bind("127.0.0.1", free_port(), 1)
    with listener:
        stop_listening(listener)
        listener.listen()


def test_no_other_program_shares_the_address(listeners: list[socket.socket]) -> None:
    """Not even another Daybook."""
    host, port = listeners[0].getsockname()
    with pytest.raises(OSError, match="in use"):
        bind(host, port, 2)


def test_answers_are_not_held_back(listeners: list[socket.socket], people: ExitStack) -> None:
    """Small ones leave at once (no delay of Nagle's, RFC 9293, 3.7.4), as each door passes on."""
    client = connected(listeners[0], people)
    for listener in listeners:
        for each in accepted(listener, people):
            assert each.getpeername() == client.getsockname()
            assert each.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_who_is_connected_is_served(listeners: list[socket.socket], people: ExitStack) -> None:
    """Those accepted before, and those who wait for it."""
    clients = {
        client.getsockname(): client
        for client in (connected(listeners[0], people) for _ in range(9))
    }
    served = accepted(listeners[0], people)
    closing = threading.Thread(target=stop_accepting, args=(listeners,))
    closing.start()
    served += accepted(listeners[1], people)
    closing.join(PATIENCE_S)
    assert not closing.is_alive()
    assert len(served) == len(clients)
    for each in served:
        each.setblocking(True)
        client = clients[each.getpeername()]
        client.sendall(b"question")
        assert each.recv(100) == b"question"
        each.sendall(b"answer")
        assert client.recv(100) == b"answer"


def test_nobody_else_gets_in(listeners: list[socket.socket]) -> None:
    """Not even into the system's queue; and once the doors are closed, they are told so."""
    stop_accepting(listeners)
    address = listeners[0].getsockname()
    with socket.socket() as client:
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.connect(address)
    for listener in listeners:
        listener.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=PATIENCE_S)


def test_it_does_not_wait_for_ever(listeners: list[socket.socket], people: ExitStack) -> None:
    """A worker that accepts nobody any more holds up no stop."""
    connected(listeners[0], people)
    stop_accepting(listeners, timeout_s=0.1)
    assert sum(len(accepted(listener, people)) for listener in listeners) == 1
