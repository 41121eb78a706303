"""Other users of the machine cannot read what the shop writes: files 0600, folders 0700."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli import shell
from tests.processes.servers import free_port, wait_for


@pytest.fixture
def open_umask() -> Iterator[None]:
    """A umask that forbids nothing, as a parent process may have set."""
    before = os.umask(0)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, str]:
    """The files and folders to which other users have any access, with their modes."""
    return {
        str(path.relative_to(folder.parent)): oct(path.stat().st_mode & 0o777)
        for path in (folder, *folder.rglob("*"))
        if path.stat().st_mode & 0o077
    }


@pytest.mark.deep
@pytest.mark.usefixtures("open_umask")
def test_other_users_have_no_access(tmp_path: Path) -> None:
    """Documents, journal, mail with a receipt, a backup and a restored folder are private."""
    data, copy, new = tmp_path / "data", tmp_path / "copy", tmp_path / "new"
    goods, sold = tmp_path / "goods.csv", tmp_path / "sold.csv"
    goods.write_text("sku,price,quantity\ntea,4.50,10\n")
    sold.write_text(
        "order,customer_name,customer_email,product,quantity\nA1,Ada,a@example.org,tea,1\nA2,,,tea,\n"
    )
    shell.run(data, "import", "products", str(goods))
    shell.run(data, "import", "orders", str(sold))
    process = shell.start(data, "serve", PORT=str(free_port()))
    try:
        mail = data / "mail/new"
        wait_for("mail goes out", lambda: mail.is_dir() and any(mail.iterdir()))
    finally:
        process.terminate()
        shell.finished(process)
    assert shell.run(data, "backup", str(copy))[0] == 0
    assert shell.run(new, "restore", str(copy))[0] == 0
    assert modes(data) == modes(copy) == modes(new) == {}
    rejected = [path for path in tmp_path.iterdir() if "rejected" in path.name]
    assert [oct(path.stat().st_mode & 0o777) for path in rejected] == ["0o600"]
