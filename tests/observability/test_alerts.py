"""What lies in deploy/ speaks of figures that there are, and says what to do."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask.testing import FlaskClient

from tests.observability.conftest import Read

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
CONFIG = ROOT / "deploy" / "prometheus" / "prometheus.yml"
FIRED = Path(__file__).with_name("alerts_test.yml")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")


@pytest.fixture
def promtool() -> str:
    """Prometheus' own checker; CI, which sets PROMTOOL_TESTS=required, fails without it."""
    program = shutil.which("promtool")
    if program is None:
        assert os.environ.get("PROMTOOL_TESTS") != "required", "there is no promtool"
        pytest.skip("there is no promtool")
    return program


@pytest.fixture
def exposed(client: FlaskClient, figures: Read) -> set[str]:
    """The names of all figures. A request has been counted, so each has a series."""
    client.get("/livez")
    return {name.partition("{")[0] for name in figures()}


def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def queries() -> list[str]:
    board = json.loads((ROOT / "deploy" / "grafana" / "daybook.json").read_text("utf-8"))
    return [target["expr"] for panel in board["panels"] for target in panel["targets"]]


def names_in(query: str) -> set[str]:
    return set(re.findall(r"\bdaybook_\w+", query))


def test_alerts_and_dashboard_ask_for_figures_that_there_are(exposed: set[str]) -> None:
    """A figure that was renamed would leave an alert that never fires."""
    asked = [*queries(), *(alert["expr"] for alert in alerts())]
    assert len(asked) > 30
    unknown = {name for query in asked for name in names_in(query)} - exposed
    assert unknown == set()


def test_every_figure_is_told(exposed: set[str]) -> None:
    """docs/operations.md says what each one means."""
    names = {re.sub(r"_(bucket|sum|count)$", "", name) for name in exposed}
    assert {name for name in names if f"`{name}`" not in OPERATIONS} == set()


def test_every_alert_is_told() -> None:
    """And what to do when it comes."""
    assert {alert["alert"] for alert in alerts()} == set(
        re.findall(r"^### (Daybook\w+)$", OPERATIONS, re.MULTILINE)
    )


def test_every_alert_is_made_to_fire() -> None:
    """With its summary, in the file that promtool runs; and once it is shown not to."""
    fired: set[str] = set()
    calm: set[str] = set()
    for test in yaml.safe_load(FIRED.read_text("utf-8"))["tests"]:
        for each in test["alert_rule_test"]:
            (fired if each["exp_alerts"] else calm).add(each["alertname"])
    assert fired == calm == {alert["alert"] for alert in alerts()}


@pytest.mark.deep
@pytest.mark.usefixtures("catalogue")
def test_promtool_accepts_the_figures(client: FlaskClient, promtool: str) -> None:
    """As Prometheus reads them, and as it wants them named."""
    told = client.get("/metrics").data
    done = subprocess.run([promtool, "check", "metrics"], input=told, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.deep
@pytest.mark.parametrize(
    "command",
    [
        ("check", "rules", str(ALERTS)),
        ("check", "config", "--syntax-only", str(CONFIG)),
        ("test", "rules", str(FIRED)),
    ],
    ids=["rules", "config", "alerts fire"],
)
def test_promtool_accepts_what_is_deployed(promtool: str, command: tuple[str, ...]) -> None:
    """The rules, the configuration that names them, and that each alert fires."""
    done = subprocess.run([promtool, *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
