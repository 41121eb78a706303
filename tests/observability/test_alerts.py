"""The alerts and the dashboard in deploy/ use existing metrics and are documented."""

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

from tests.observability.conftest import ReadMetrics

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
CONFIG = ROOT / "deploy" / "prometheus" / "prometheus.yml"
FIRED = Path(__file__).with_name("alerts_test.yml")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")


@pytest.fixture
def promtool() -> str:
    """Prometheus' checker; with PROMTOOL_TESTS=required (in CI) the tests fail without it."""
    program = shutil.which("promtool")
    if program is None:
        assert os.environ.get("PROMTOOL_TESTS") != "required", "there is no promtool"
        pytest.skip("there is no promtool")
    return program


@pytest.fixture
def exposed(client: FlaskClient, read_metrics: ReadMetrics) -> set[str]:
    """The names of all metrics; after one counted request, each has a series."""
    client.get("/livez")
    return {name.partition("{")[0] for name in read_metrics()}


def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def queries() -> list[str]:
    board = json.loads((ROOT / "deploy" / "grafana" / "daybook.json").read_text("utf-8"))
    return [target["expr"] for panel in board["panels"] for target in panel["targets"]]


def names_in(query: str) -> set[str]:
    return set(re.findall(r"\bdaybook_\w+", query))


def test_alerts_and_dashboard_use_existing_metrics(exposed: set[str]) -> None:
    """An alert on a renamed metric would never fire."""
    expressions = [*queries(), *(alert["expr"] for alert in alerts())]
    assert len(expressions) > 30
    unknown = {name for query in expressions for name in names_in(query)} - exposed
    assert unknown == set()


def test_every_metric_is_documented(exposed: set[str]) -> None:
    """docs/operations.md describes each one."""
    names = {re.sub(r"_(bucket|sum|count)$", "", name) for name in exposed}
    assert {name for name in names if f"`{name}`" not in OPERATIONS} == set()


def test_every_alert_is_documented() -> None:
    """docs/operations.md has a section for each one."""
    assert {alert["alert"] for alert in alerts()} == set(
        re.findall(r"^### (Daybook\w+)$", OPERATIONS, re.MULTILINE)
    )


def test_every_alert_has_a_promtool_test() -> None:
    """The file that promtool runs makes each alert fire, and shows it silent."""
    fired: set[str] = set()
    silent: set[str] = set()
    for test in yaml.safe_load(FIRED.read_text("utf-8"))["tests"]:
        for each in test["alert_rule_test"]:
            (fired if each["exp_alerts"] else silent).add(each["alertname"])
    assert fired == silent == {alert["alert"] for alert in alerts()}


@pytest.mark.deep
@pytest.mark.usefixtures("catalogue")
def test_promtool_accepts_the_metrics(client: FlaskClient, promtool: str) -> None:
    """Their format and their names are as Prometheus demands."""
    exposition = client.get("/metrics").data
    done = subprocess.run([promtool, "check", "metrics"], input=exposition, capture_output=True)
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
    """The rules and the configuration are valid, and each alert fires."""
    done = subprocess.run([promtool, *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
