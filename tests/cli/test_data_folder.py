"""A clone, its git and its running shop keep out of each other's way."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.config import PREFIX
from app.config.data_folder import (
    MODEL_FOLDER,
    default_folder,
    find_data_folder,
)
from app.kernel.errors import Invalid, Unavailable
from app.store.files.tools.new_folder import begin_as_copy
from tests.cli.shell import ROOT
from tests.store.faults import no_rights

PENCIL = {
    "sku": "pencil",
    "name": "Pencil",
    "category": "",
    "price": "1.00",
    "quantity": 3,
    "reserved": 0,
    "available": 3,
    "low_stock_threshold": 0,
    "backorder": False,
    "stock_status": "in_stock",
    "archived": False,
    "updated": "2026-11-21T08:00:00.000Z",
    "version": 1,
}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone of the program, with a product that somebody has put into data/."""
    clone = tmp_path / "clone"
    (clone / "data").mkdir(parents=True)
    for name in ("orders.json", "failure.json"):
        (clone / "data" / name).write_text("[\n]\n")
    for name in (".gitignore", "wsgi.py"):
        shutil.copy(ROOT / name, clone)
    (clone / "app").symlink_to(ROOT / "app")
    (clone / "data/products.json").write_text(json.dumps([PENCIL]))
    git(clone, "init", "--quiet")
    git(clone, "add", ".")
    author = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    git(clone, *author, "commit", "--quiet", "--message", "The program")
    return clone


def git(clone: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=clone, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def flask(clone: Path, *words: str, cwd: Path) -> str:
    """Return the output of a command that runs in the folder `cwd`, without DAYBOOK_DATA."""
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", str(clone / "wsgi"), *words],
        cwd=cwd,
        env={name: text for name, text in os.environ.items() if not name.startswith(PREFIX)},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout


def test_git_and_the_shop_do_not_disturb_each_other(clone: Path, tmp_path: Path) -> None:
    """The shop begins with the files in data/, changes none of them, and outlives git's work."""
    sold = tmp_path / "sold.csv"
    sold.write_text("order,customer_name,product,quantity\nA1,Ada,pencil,1\n")
    assert "1 accepted" in flask(clone, "import", "orders", str(sold), cwd=tmp_path)
    assert not git(clone, "status", "--porcelain")
    git(clone, "add", ".")
    git(clone, "reset", "--quiet", "--hard")
    git(clone, "clean", "--quiet", "--force", "-d")
    assert "1 orders and 1 products were compared" in flask(clone, "check", cwd=clone / "data")
    assert json.loads((clone / "data/orders.json").read_text()) == []


def make_shop(folder: Path) -> Path:
    """Make the folder look like one in which a shop has run."""
    (folder / "journal").mkdir(parents=True)
    return folder


def test_the_default_is_var_beside_the_program() -> None:
    """The folder in which the command is given does not matter."""
    assert default_folder() == ROOT / "var"
    assert MODEL_FOLDER == ROOT / "data"


def test_the_default_of_an_installed_package_is_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """XDG Base Directory Specification: a relative XDG_DATA_HOME is ignored."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for value, folder in (("", ".local/share"), ("shops", ".local/share"), (f"{tmp_path}/x", "x")):
        monkeypatch.setenv("XDG_DATA_HOME", value)
        assert default_folder(tmp_path / "site-packages") == tmp_path / folder / "daybook"


def test_a_shop_in_data_stays_there(tmp_path: Path) -> None:
    """Older versions kept it there; it opens after an upgrade as before."""
    var, data = tmp_path / "var", tmp_path / "data"
    assert find_data_folder(var, data) == var
    assert find_data_folder(var, make_shop(data)) == data
    data.rename(var)
    assert find_data_folder(var, data) == var


def test_of_two_shops_one_must_be_named(tmp_path: Path) -> None:
    """A guess would show a shop without the orders of the other one."""
    var, data = make_shop(tmp_path / "var"), make_shop(tmp_path / "data")
    with pytest.raises(Invalid, match=f"DAYBOOK_DATA: must say which shop is meant: {var} and "):
        find_data_folder(var, data)


def test_a_new_folder_begins_as_a_copy_once(tmp_path: Path) -> None:
    """A folder that exists is left alone, and so is one that has no model."""
    var, data = tmp_path / "var", tmp_path / "data"
    begin_as_copy(var, data)
    assert not var.exists()
    data.mkdir()
    (data / "orders.json").write_text("[]")
    begin_as_copy(var, data)
    (data / "orders.json").write_text("[\n]\n")
    begin_as_copy(var, data)
    assert (var / "orders.json").read_text() == "[]"


def test_two_commands_begin_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one, which finds the folder in place at the last moment, goes on with it."""
    var, data = tmp_path / "var", tmp_path / "data"
    data.mkdir()
    (data / "orders.json").write_text("[]")
    rename = os.rename

    def begun_meanwhile(source: Path, target: Path) -> None:
        make_shop(var)
        rename(source, target)

    monkeypatch.setattr(os, "rename", begun_meanwhile)
    begin_as_copy(var, data)
    assert [path.name for path in var.iterdir()] == ["journal"]


def test_a_folder_that_cannot_be_begun_is_reported(tmp_path: Path) -> None:
    """The program may lie where the user of the service cannot write."""
    (tmp_path / "data").mkdir()
    with no_rights(tmp_path, 0o500), pytest.raises(Unavailable, match="Permission denied"):
        begin_as_copy(tmp_path / "var", tmp_path / "data")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
