"""A real server on a full disk answers 507, changes nothing, reads on, and heals."""

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from app.store.files.disk.filesystem import FREE_SPACE_MIN_BYTES
from tests.processes.clients import ORDER
from tests.processes.conftest import Serve, serve
from tests.processes.reconciliation import FIRST_NUMBER, documents_in, fill_catalogue, open_store
from tests.processes.servers import Server, children, kill, leader_of, wait_for

__all__ = ["serve"]
"""The fixture of tests/processes."""

DISK_SIZE = "24m"
BEFORE, AFTER = 3, 3
REFUSALS = 5
RESTARTS = 3
MAX_ORDERS = 60
JOURNAL_MAX_BYTES = 1 << 16


class TinyDisk:
    """A disk of a few megabytes in memory, which can be filled to the last byte."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self, _server: Server) -> None:
        """Leave no room on it, not even what a checkpoint has just given back."""
        fd = os.open(self._ballast, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for size in (1 << 16, 1 << 12, 1):
            with suppress(OSError):
                while os.write(fd, bytes(size)):
                    pass
        os.close(fd)

    def leave(self, room_bytes: int) -> None:
        """Leave so much room on it."""
        room = os.statvfs(self.folder)
        with self._ballast.open("ab") as ballast:
            ballast.write(bytes(room.f_bavail * room.f_frsize - room_bytes))

    def make_room(self, _server: Server) -> None:
        """Free the space again."""
        self._ballast.unlink()


class ShortFiles:
    """Instead of a full disk, a limit on file sizes that the kernel enforces for a server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, server: Server) -> None:
        """Limit every file of the server's processes to a few bytes."""
        self._limit(server, 16)

    def make_room(self, server: Server) -> None:
        """Remove the limit."""
        self._limit(server, resource.RLIM_INFINITY)

    def _limit(self, server: Server, max_bytes: int) -> None:
        limits = (max_bytes, resource.RLIM_INFINITY)
        for process in processes_of(server):
            with suppress(ProcessLookupError):  # a delivery worker that could not start
                resource.prlimit(process, resource.RLIMIT_FSIZE, limits)


def processes_of(server: Server) -> Iterator[int]:
    """The server and its workers, which are a process group."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(ProcessLookupError):
                if os.getpgid(int(folder.name)) == server.pid:
                    yield int(folder.name)


@pytest.fixture(params=["limit", pytest.param("tmpfs", marks=pytest.mark.deep)])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TinyDisk | ShortFiles]:
    """A disk that can be filled; the tmpfs needs the right to mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if request.param == "limit":
        yield ShortFiles(folder)
        return
    words = ["mount", "-t", "tmpfs", "-o", f"size={DISK_SIZE}", "tmpfs", str(folder)]
    if subprocess.run(words, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here; the limit on the size of files was tried")
    yield TinyDisk(folder)
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def data(disk: TinyDisk | ShortFiles) -> Path:
    """A data folder with two products, on that disk."""
    fill_catalogue(disk.folder / "data")
    return disk.folder / "data"


def has_started(server: Server) -> bool:
    """Whether each worker has opened the shop; the one that delivers is started last."""
    workers = children(server.pid)
    return leader_of(server.data) in workers and all(map(has_opened_journal, workers))


def has_opened_journal(process: int) -> bool:
    """Whether a process has a segment open."""
    for descriptor in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):
            if descriptor.readlink().parent.name == "journal":
                return True
    return False


def numbers(server: Server) -> list[int]:
    """The numbers of all orders that the server lists."""
    status, page = server.request("GET", "/order?limit=100")
    assert status == 200, page
    return sorted(order["number"] for order in page["orders"])


def journal_bytes(data: Path) -> int:
    """The length of all segments; a checkpoint may remove one meanwhile."""
    total = 0
    for segment in (data / "journal").iterdir():
        with suppress(FileNotFoundError):
            total += segment.stat().st_size
    return total


def refused_orders(server: Server, disk: TinyDisk | ShortFiles, placed: list[int]) -> None:
    """Place orders on the full disk until enough were refused; the placed ones stay listed.

    Where a checkpoint has just given room back an order may still be placed.
    """
    refused = 0
    while refused < REFUSALS:
        assert len(placed) < MAX_ORDERS, "the disk does not get full"
        disk.fill(server)
        status, answer = server.request("POST", "/order", ORDER)
        if status == 201:
            placed.append(answer["number"])
        else:
            assert (status, answer["status"]) == (507, 507), answer
            assert "nothing was changed" in answer["detail"]
            refused += 1
        assert numbers(server) == placed


def test_full_disk_refuses_orders_and_heals(
    data: Path, disk: TinyDisk | ShortFiles, serve: Serve
) -> None:
    """Placed orders are kept, refused ones are not, and numbers continue without a gap."""
    server = serve()
    wait_for("every worker has started", lambda: has_started(server))
    placed = [server.request("POST", "/order", ORDER)[1]["number"] for _ in range(BEFORE)]
    refused_orders(server, disk, placed)
    # of two workers each has a limit of its own, and notices it when it refuses an order
    wait_for("a worker is not ready", lambda: server.request("GET", "/readyz")[0] == 503)
    disk.make_room(server)
    wait_for("it is ready again", lambda: server.request("GET", "/readyz")[0] == 200)
    placed += [server.request("POST", "/order", ORDER)[1]["number"] for _ in range(AFTER)]
    assert placed == list(range(FIRST_NUMBER, FIRST_NUMBER + len(placed)))
    server.request("POST", "/failure/replay", {"all": True})
    with open_store(data) as books:
        wait_for("all is delivered", lambda: not books.open_events())
        books.check_all(len(placed))


@pytest.mark.deep
def test_a_delivery_worker_that_cannot_start_is_tried_again(
    data: Path, disk: TinyDisk | ShortFiles, serve: Serve
) -> None:
    """It dies while the disk is full; the others go on, and it delivers once there is room."""
    server = serve()
    wait_for("every worker has started", lambda: has_started(server))
    others, tried = server.workers(), set[int]()
    disk.fill(server)
    kill(leader_of(data) or 0)

    def is_tried_again() -> bool:
        tried.update(children(server.pid) - others)
        return len(tried) >= RESTARTS or leader_of(data) in tried

    wait_for("it is tried again", is_tried_again)
    assert numbers(server) == []
    disk.make_room(server)
    number = server.request("POST", "/order", ORDER)[1]["number"]
    wait_for(
        "the order is confirmed",
        lambda: server.request("GET", f"/order/{number}")[1]["status"] == "confirmed",
    )


@pytest.mark.deep
@pytest.mark.parametrize("disk", ["tmpfs"], indirect=True)
def test_a_disk_that_orders_have_filled_frees_itself(
    data: Path, disk: TinyDisk, serve: Serve
) -> None:
    """Checkpoints go on, remove the journal, and the files have every order that was accepted.

    When files alone fill the disk, more room is all that it takes.
    """
    server = serve()
    disk.leave(FREE_SPACE_MIN_BYTES + (4 << 20))
    placed = []
    for _ in range(REFUSALS):
        while (answer := server.request("POST", "/order", ORDER))[0] == 201:
            placed.append(answer[1]["number"])
        assert answer[0] == 507, answer
        assert "nothing was changed" in answer[1]["detail"]
        wait_for("the journal is short", lambda: journal_bytes(data) < JOURNAL_MAX_BYTES)
    wait_for(
        "the readable file has every order",
        lambda: sorted(each["number"] for each in documents_in(data / "orders.json")) == placed,
    )
    disk.make_room(server)
    wait_for("an order is placed", lambda: server.request("POST", "/order", ORDER)[0] == 201)
