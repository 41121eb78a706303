"""`flask check`, `flask backup` and `flask restore`: find, repair, adopt, copy and restore."""

import json
import os
import pwd
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app.billing.documents import INVOICES
from app.config import Config
from app.inventory.documents import PRODUCTS
from app.server.runtime import Runtime
from tests.cli import shell
from tests.cli.conftest import Give
from tests.over_http import place
from tests.store.faults import read_only
from tests.transactions import transaction

Settled = Callable[[], None]


@pytest.fixture
def data(config: Config) -> Path:
    """The data folder."""
    return config.data


@pytest.fixture
def shop(
    client: FlaskClient, catalogue: dict[str, str], settled: Settled, runtime: Runtime
) -> None:
    """A shop with one order, closed in the evening."""
    place(client, tea=2)
    settled()
    runtime.close()


def miscount(runtime: Runtime) -> None:
    """Make a product say that more of it is reserved than there is."""
    with transaction(runtime.store) as tx:
        product = tx.get(PRODUCTS.name, "tea")
        assert product is not None
        tx.put(PRODUCTS.name, product | {"reserved": 5, "available": 95})
    runtime.close()


def contents(folder: Path) -> dict[str, bytes]:
    """Every file that holds documents or transactions."""
    return {path.name: path.read_bytes() for path in folder.rglob("*.*json")}


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(
    "words",
    [["key", "create", "--role", "clerk", "--name", "till 1"], ["failures"], ["backup", "b"]],
)
def test_a_command_of_another_user_is_refused(
    flask: Give, monkeypatch: pytest.MonkeyPatch, words: list[str], data: Path
) -> None:
    """It says as whom to run it, and leaves no file that the running shop could not read."""
    before = contents(data)
    owner = pwd.getpwuid(os.geteuid()).pw_name
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    monkeypatch.setattr(sys, "argv", ["/opt/daybook/.venv/bin/flask", *words])
    result = flask(*words)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"Error: The data folder data/ belongs to the user {owner}, ")
    command = shlex.join(["/opt/daybook/.venv/bin/flask", *words])
    assert result.stderr.splitlines()[-2] == f"    sudo -E -u {owner} {command}"
    assert contents(data) == before


@pytest.mark.usefixtures("shop")
class TestCheck:
    """`flask check` on a shop with one order."""

    def test_a_sound_shop_agrees(self, flask: Give, data: Path) -> None:
        """The check changes nothing."""
        before = contents(data)
        result = flask("check")
        assert result.exit_code == 0
        assert "1 orders and 4 products were compared.\nEverything agrees.\n" in result.stdout
        assert contents(data) == before

    def test_a_difference_is_printed(self, flask: Give, runtime: Runtime, data: Path) -> None:
        """What, where, expected and found; exit code 1; nothing is changed."""
        miscount(runtime)
        before = contents(data)
        result = flask("check")
        assert result.exit_code == 1
        assert "reserved of product tea: expected 2, found 5\n" in result.stdout
        assert "2 differences.\n" in result.stdout
        assert contents(data) == before

    def test_json_has_the_differences(self, flask: Give, runtime: Runtime) -> None:
        """An array, empty for a sound shop; the exit codes are the same."""
        sound = flask("check", "--json")
        assert (sound.exit_code, json.loads(sound.stdout)) == (0, [])
        miscount(runtime)
        result = flask("check", "--json")
        assert result.exit_code == 1
        first, second = json.loads(result.stdout)
        assert {"kind": "difference", "where": "product tea"}.items() <= first.items()
        assert first["what"] == "reserved"
        assert (first["expected"], first["found"]) == ("2", "5")
        assert "counted anew" in first["repair"]
        assert second["what"] == "available"

    def test_json_has_the_faults_of_files(self, flask: Give, data: Path) -> None:
        with (data / "orders.json").open("ab") as file:
            file.write(b"x")
        result = flask("check", "--json")
        assert result.exit_code == 1
        faults = json.loads(result.stdout)
        assert {(each["kind"], each["file"], each["heals"]) for each in faults} == {
            ("fault", "orders.json", False)
        }

    def test_json_goes_with_no_change(self, flask: Give, data: Path) -> None:
        before = contents(data)
        result = flask("check", "--json", "--repair")
        assert result.exit_code == 2
        assert "leave out --accept and --repair" in result.stderr
        assert contents(data) == before

    def test_a_repair_prints_what_it_repaired(self, flask: Give, runtime: Runtime) -> None:
        miscount(runtime)
        result = flask("check", "--repair")
        assert result.exit_code == 0
        assert "repaired: reserved of product tea: expected 2, found 5\n" in result.stdout
        assert flask("check").exit_code == 0

    def test_a_damaged_file_is_reported(self, flask: Give, data: Path) -> None:
        """A repair keeps the documents, names the line that is none, and exits with 1."""
        with (data / "orders.json").open("ab") as file:
            file.write(b"x")
        for words in (["check"], ["check", "--repair"]):
            result = flask(*words)
            assert result.exit_code == 1
            assert result.stdout.startswith("orders.json, byte ")
        assert "1 orders and 4 products were compared.\nEverything agrees.\n" in result.stdout
        assert (data / "damaged-1" / "orders.json").read_bytes().endswith(b"x")
        assert flask("check").exit_code == 0

    def test_a_lost_order_is_not_taken_for_a_deleted_one(
        self, flask: Give, data: Path, runtime: Runtime, settled: Settled
    ) -> None:
        """After a loss stock and invoices are compared only; nobody is refunded or gets mail."""
        (data / "orders.json").write_bytes(b"\xff")
        result = flask("check", "--repair")
        assert result.exit_code == 1
        assert "document of order " in result.stdout
        assert "repaired: " not in result.stdout
        assert result.stdout.endswith("takes a missing order for a deleted one.\n")
        settled()
        with runtime.store.read() as view:
            (invoice,) = [view.get(INVOICES.name, key) for key in view.keys(INVOICES.name)]
        assert invoice is not None
        assert invoice["status"] == "open"

    def test_an_edit_is_accepted(self, flask: Give, data: Path, runtime: Runtime) -> None:
        """The service then starts with it."""
        file = data / "products.json"
        file.write_text(file.read_text().replace("Assam, 100 g", "Darjeeling, 100 g"))
        assert flask("failures").exit_code == 2
        result = flask("check", "--accept")
        assert result.exit_code == 0
        assert result.stdout.startswith("products.json is taken as true: 4 documents, 4 before.\n")
        with runtime.store.read() as view:
            product = view.get(PRODUCTS.name, "tea")
        assert product is not None
        assert product["name"] == "Darjeeling, 100 g"

    def test_an_edit_that_breaks_a_rule_is_refused(self, flask: Give, data: Path) -> None:
        """File, line and reason."""
        file = data / "products.json"
        file.write_text(file.read_text().replace('"quantity":100,', '"quantity":-1,'))
        result = flask("check", "--accept")
        assert result.exit_code == 2
        assert "products.json, line 4" in result.stderr
        assert "quantity" in result.stderr

    @pytest.mark.parametrize(
        ("name", "before", "after", "reason"),
        [
            ("orders", '"number":1001', '"number":1002', "order number 1002 was changed: "),
            ("invoices", '"invoice_number":1,', '"invoice_number":2,', "invoice is below 2, which"),
            ("counters", '"value":1001', '"value":1000', "order is below 1001, which was given"),
            ("events", '"number":1001', '"number":1', "order number 1 was changed: "),
            ("orders", '"currency":"EUR"', '"currency":"USD"', "currency: is not EUR, the curr"),
            ("orders", '"details_version":1', '"details_version":99', "is above version"),
            ("products", '"details_version":1', '"details_version":99', "is above version"),
            ("invoices", '"invoice_number":1,', "", "a member is missing or of another type"),
        ],
    )
    def test_an_edit_that_contradicts_other_files_is_refused(
        self, flask: Give, data: Path, name: str, before: str, after: str, reason: str
    ) -> None:
        """No number that a customer knows is changed, or given to another."""
        file = data / f"{name}.json"
        file.write_text(file.read_text().replace(before, after))
        result = flask("check", "--accept")
        assert result.exit_code == 2
        assert reason in result.stderr

    @pytest.mark.parametrize(
        ("name", "document", "reason"),
        [
            ("timelines", {"subject": "x"}, "events: is required"),
            ("timelines", {"subject": "x", "events": [7]}, "events/0: "),
            ("references", {"reference": "A1", "order_id": 7, "at": ""}, "order_id: "),
            ("reservations", {"order_id": "x", "version": 1}, "lines: is required"),
            (
                "reservations",
                {"order_id": "x", "version": 1, "lines": [{"product": "tea"}]},
                "lines/0/quantity: is required",
            ),
            ("faults", {"handler": "billing"}, "mode: is required"),
            ("failure", {"id": "x:billing", "handler": "billing"}, "event: is required"),
            ("idempotency", {"key": "POST /order x"}, "body: is required"),
            ("shop", {"name": "currency", "value": 7}, "value: "),
            ("invoices", {"order_id": "x", "invoice_number": "7", "order_number": 1}, "whole numb"),
        ],
    )
    def test_an_edit_that_the_code_could_not_read_is_refused(
        self, flask: Give, data: Path, name: str, document: dict[str, object], reason: str
    ) -> None:
        """Every file is checked, the small ones too: no accepted file may end in a traceback."""
        (data / f"{name}.json").write_text(json.dumps([document]))
        result = flask("check", "--accept")
        assert result.exit_code == 2
        assert result.stderr.startswith(f"Error: {name}.json, line 1: ")
        assert reason in result.stderr

    def test_a_lost_file_of_counters_is_written_anew_by_a_person(
        self, flask: Give, data: Path, client: FlaskClient
    ) -> None:
        """The refusal says enough to correct the file; no number is given again."""
        (data / "counters.json").unlink()
        result = flask("check", "--accept")
        assert result.exit_code == 2
        lines = re.findall(r"it must be (.*?) at the least", result.stderr)
        (data / "counters.json").write_text(f"[{','.join(lines)}]")
        assert flask("check", "--accept").exit_code == 0
        assert place(client, tea=1)["number"] == 1002

    def test_without_an_edit_there_is_nothing_to_accept(self, flask: Give) -> None:
        assert flask("check", "--accept").stdout.startswith("No file was edited")

    def test_an_order_removed_by_hand_is_announced_to_all_services(
        self, flask: Give, data: Path, runtime: Runtime, settled: Settled
    ) -> None:
        """After the repair everything agrees: the stock is free, the invoice void, mail is sent."""
        (data / "orders.json").write_text("[]")
        assert flask("check", "--accept").exit_code == 0
        result = flask("check", "--repair")
        assert (result.exit_code, "expected an order, by its events" in result.stdout) == (0, True)
        settled()
        with runtime.store.read() as view:
            product = view.get(PRODUCTS.name, "tea")
            (invoice,) = [view.get(INVOICES.name, key) for key in view.keys(INVOICES.name)]
        assert product is not None
        assert invoice is not None
        assert (product["reserved"], invoice["status"]) == (0, "void")
        assert flask("check").stdout.endswith("Everything agrees.\n")

    def test_a_running_service_keeps_its_files(
        self, flask: Give, client: FlaskClient, data: Path
    ) -> None:
        """An edit is not adopted while the service runs."""
        client.get("/product")
        code, _, err = shell.run(data, "check", "--accept")
        assert code == 2
        assert "The service is running; stop it" in err


@pytest.mark.parametrize(
    "words",
    [
        ["check"],
        ["check", "--accept"],
        ["check", "--repair"],
        ["failures"],
        ["replay", "--all"],
        ["discard", "x", "--reason", "y"],
        ["backup", "copy"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("is_there", [False, True], ids=["missing", "foreign"])
def test_a_folder_without_a_shop_is_refused(
    flask: Give, data: Path, words: list[str], is_there: bool
) -> None:
    """A mistyped DAYBOOK_DATA begins no new shop, and fills no folder that holds something else."""
    if is_there:
        data.mkdir()
        (data / "letter.txt").write_text("")
    result = flask(*words)
    assert result.exit_code == 2
    assert result.stderr.startswith(
        f"Error: There is no shop in {data}: no journal and none of its"
    )
    assert [path.name for path in data.parent.rglob("*")] == ["data", "letter.txt"][: is_there * 2]


def test_a_shop_that_may_only_be_read_is_checked(flask: Give, data: Path, shop: None) -> None:
    """A backup that is mounted read-only can be checked."""
    with read_only(data):
        result = flask("check")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "1 orders and 4 products were compared.\nEverything agrees.\n" in result.stdout


def test_an_unfinished_entry_is_reported_and_left(flask: Give, data: Path, shop: None) -> None:
    """The check changes nothing; the next start keeps a copy of the entry."""
    segment = max((data / "journal").glob("*.ndjson"))
    segment.write_bytes(segment.read_bytes() + b'{"crc":"')
    before = contents(data)
    result = flask("check")
    assert result.exit_code == 0
    assert "the next start keeps a copy of it and cuts it off" in result.stdout
    assert contents(data) == before


def test_a_folder_that_no_service_has_opened_stays_as_it_is(flask: Give, data: Path) -> None:
    """The check creates no file in the folder of a fresh clone."""
    data.mkdir()
    (data / "orders.json").write_text("[\n]\n")
    result = flask("check")
    assert result.exit_code == 0
    assert "nothing to compare" in result.stdout
    assert [path.name for path in data.iterdir()] == ["orders.json"]


def test_a_backup_is_a_shop_of_its_own(flask: Give, data: Path, tmp_path: Path, shop: None) -> None:
    """It passes the same check."""
    copy = tmp_path / "copies" / "monday"
    result = flask("backup", copy)
    assert result.exit_code == 0
    assert f"are in {copy}: everything up to transaction " in result.stdout
    code, out, _ = shell.run(copy, "check")
    assert code == 0
    assert "1 orders and 4 products were compared." in out
    assert json.loads((copy / "orders.json").read_bytes())


def test_a_backup_replaces_nothing(flask: Give, tmp_path: Path, shop: None) -> None:
    result = flask("backup", tmp_path)
    assert result.exit_code == 2
    assert "exists already" in result.stderr


def test_a_restored_backup_is_the_shop_of_that_time(
    flask: Give, data: Path, tmp_path: Path, shop: None
) -> None:
    """It says what it restored, passes the check, and is served."""
    flask("backup", tmp_path / "monday")
    code, out, err = shell.run(tmp_path / "new", "restore", str(tmp_path / "monday"))
    assert (code, err) == (0, "")
    assert f"were restored to {tmp_path / 'new'}: " in out
    code, out, _ = shell.run(tmp_path / "new", "check")
    assert code == 0
    assert "1 orders and 4 products were compared.\nEverything agrees." in out
    result = flask("restore", tmp_path / "monday")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: data/ holds something, and nothing is overwritten.")


def test_a_backup_of_an_older_version_is_restored_when_named_so(
    flask: Give, tmp_path: Path, shop: None
) -> None:
    """Such a backup has no manifest; the error says what to do."""
    flask("backup", tmp_path / "monday")
    (tmp_path / "monday" / "manifest.json").unlink()
    restore = ["restore", str(tmp_path / "monday")]
    code, _, err = shell.run(tmp_path / "new", *restore)
    assert code == 2
    assert "--without-manifest" in err
    assert shell.run(tmp_path / "new", *restore, "--without-manifest")[0] == 0
