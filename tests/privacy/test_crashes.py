"""A `flask forget` that dies in the middle is finished by the next one."""

import os
import subprocess
import sys
from itertools import count
from pathlib import Path
from shutil import copytree

import pytest
from flask.testing import FlaskClient

from app.config import Config
from app.privacy.customers import find_orders
from app.privacy.erasure import find_traces, forget_customer
from app.server.runtime import Runtime
from tests.cli import shell
from tests.cli.conftest import Give
from tests.durability.syscalls import why_not
from tests.durability.test_syscalls import REQUIRED
from tests.privacy.conftest import EMAIL, SECRETS, mentions
from tests.transactions import transaction

CALLS = {"pwrite64": 11, "rename": 10, "unlink": 13}
"""The calls at which it is killed, the first one and every so many after it."""


def test_mails_and_files_are_finished_later(flask: Give, runtime: Runtime, config: Config) -> None:
    """The transactions are durable, nothing else was done: the next command does the rest."""
    orders = find_orders(runtime.store, EMAIL)
    traces = find_traces(runtime.store, orders)
    for order in orders:
        with transaction(runtime.store) as tx:
            assert forget_customer(tx, order, traces, "command")
    assert any(path.startswith("mail/") for path in mentions(config.data, *SECRETS))
    result = flask("forget", EMAIL)
    assert result.stderr == f"Error: No order has the e-mail address {EMAIL}.\n"
    assert mentions(config.data, *SECRETS) == set()


def test_a_mail_folder_that_cannot_be_changed_is_reported(flask: Give, config: Config) -> None:
    """The command ends with 1 and the reason, and waits for nobody; given again, it finishes."""
    folder, aside = config.data / "mail" / "new", config.data / "mail" / "aside"
    folder.rename(aside)
    folder.touch()
    result = flask("forget", "1001")
    assert result.exit_code == 1
    assert result.stderr == (
        "Mails could not be removed (Not a directory). The service tries it again.\n"
    )
    folder.unlink()
    aside.rename(folder)
    assert {path for path in mentions(config.data, "1001-") if path.startswith("mail/")}
    assert flask("forget", "1001").exit_code == 0
    assert not {path for path in mentions(config.data, "1001-") if path.startswith("mail/")}


def test_it_waits_for_no_erasure_of_another_customer(flask: Give, client: FlaskClient) -> None:
    """The event of another order is still open, and its handler fails."""
    client.put("/fault/privacy", json={"mode": "reject", "order": "1002"})
    assert flask("forget", "1002").exit_code == 0
    result = flask("forget", "1001")
    assert (result.exit_code, result.stderr) == (0, "")


@pytest.mark.deep
@pytest.mark.parametrize("call", CALLS)
def test_a_killed_command_is_finished_by_the_next(tmp_path: Path, model: Path, call: str) -> None:
    """Killed by the kernel on the way into any call that changes the disk."""
    reason = why_not()
    assert not (reason and REQUIRED), reason
    if reason:
        pytest.skip(f"{reason} (STRACE_TESTS=required fails instead)")
    for number in count(1, CALLS[call]):
        data = tmp_path / f"{number}"
        copytree(model, data)
        is_killed = _killed(data, call, number)
        code, _, err = shell.run(data, "forget", EMAIL)
        assert code == 0 or "No order has the e-mail address" in err, (call, number, err)
        assert mentions(data, *SECRETS) == set(), (call, number)
        assert shell.run(data, "check")[0] == 0, (call, number)
        if not is_killed:
            return


def _killed(data: Path, call: str, number: int) -> bool:
    """Give the command, killed at its call of that kind and number; whether it came so far."""
    inject = f"inject={call}:signal=SIGKILL:when={number}"
    words = ["-f", "--seccomp-bpf", "-qq", "-o", os.devnull, "-e", inject, sys.executable]
    done = subprocess.run(
        ["strace", *words, "-m", "flask", "forget", EMAIL],
        env=os.environ | {"DAYBOOK_DATA": str(data), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=shell.ROOT,
        capture_output=True,
    )
    return done.returncode != 0
