"""Who is at the door when it closes is served, or told that it is closed."""

import socket
import threading
from collections.abc import Iterator

import pytest

from app.closing import take_no_more

PATIENCE_S = 20.0


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def connected(listening: socket.socket) -> socket.socket:
    return socket.create_connection(listening.getsockname(), timeout=PATIENCE_S)


def test_who_is_connected_is_served(listening: socket.socket) -> None:
    """Those accepted before, and those who wait for it."""
    with connected(listening) as early, connected(listening) as late:
        first, _ = listening.accept()
        closing = threading.Thread(target=take_no_more, args=(listening,))
        closing.start()
        second, _ = listening.accept()
        closing.join(PATIENCE_S)
        assert not closing.is_alive()
        for client, served in ((early, first), (late, second)):
            client.sendall(b"question")
            assert served.recv(100) == b"question"
            served.sendall(b"answer")
            assert client.recv(100) == b"answer"
            served.close()


def test_nobody_else_gets_in(listening: socket.socket) -> None:
    """Not even into the system's queue; and once the door is closed, they are told so."""
    take_no_more(listening)
    address = listening.getsockname()
    with socket.socket() as client:
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.connect(address)
    listening.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=PATIENCE_S)


def test_it_does_not_wait_for_ever(listening: socket.socket) -> None:
    """A worker that accepts nobody any more holds up no stop."""
    with connected(listening):
        take_no_more(listening, longest_s=0.1)
        listening.accept()[0].close()
