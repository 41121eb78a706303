"""A proxy before PostgreSQL that counts round trips, and can lose a connection at COMMIT."""

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from psycopg.conninfo import conninfo_to_dict, make_conninfo

_READ_BYTES = 1 << 16


class Proxy:
    """Forwards connections to the database of a URL."""

    def __init__(self, url: str) -> None:
        target = conninfo_to_dict(url)
        self._target = f"{target['host']}/.s.PGSQL.5432"
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.url = make_conninfo(**(target | {"host": "127.0.0.1", "port": port}))
        self.round_trips = 0
        """Answers that a client has waited for."""
        self.lose_commit = ""
        """"before" loses the next COMMIT on its way to the server, "after" the response to it; "for
        good" does that, too, and ends every other connection."""
        self._is_gone = False
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Accept nothing more."""
        with suppress(OSError):  # it is closed
            self._listener.shutdown(socket.SHUT_RDWR)  # ends the wait of the other thread
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # it was closed
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._target)
                threading.Thread(target=self._talk, args=(client, server), daemon=True).start()

    def _talk(self, client: socket.socket, server: socket.socket) -> None:
        """Forward what either side sends until one of them closes."""
        lost, client_waits = "", False
        with client, server, suppress(OSError):
            while True:
                for source in select.select([client, server], [], [])[0]:
                    data = source.recv(_READ_BYTES)
                    if source is client and b"COMMIT" in data and self.lose_commit:
                        lost, self.lose_commit = self.lose_commit, ""
                    elif self._is_gone and not lost:
                        return
                    if not data or lost == "before" or (lost and source is server):
                        return
                    if lost == "for good":
                        self._is_gone = True
                        self.close()
                    if source is client:
                        server.sendall(data)
                    else:
                        self.round_trips += client_waits
                        client.sendall(data)
                    client_waits = source is client


@contextmanager
def proxy_to(url: str) -> Iterator[Proxy]:
    """A proxy that is closed at the end."""
    proxy = Proxy(url)
    try:
        yield proxy
    finally:
        proxy.close()
