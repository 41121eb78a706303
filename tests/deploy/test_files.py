"""The unit, the image and the compose file, read by systemd, hadolint, and Daybook itself.

Nothing here starts a container: that takes a docker daemon.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from app.config import from_environment
from tests.processes.servers import ROOT

DEPLOY = ROOT / "deploy"
MOST_EXPOSED = 2.0
"""Of 10, by the count of systemd-analyze; a service without any of the options has 9.6."""


@pytest.fixture
def systemd_analyze() -> str:
    program = shutil.which("systemd-analyze")
    if program is None:
        assert os.environ.get("DEPLOY_TESTS") != "required", "there is no systemd-analyze"
        pytest.skip("there is no systemd-analyze")
    return program


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with a program and a user that are there."""
    text = (DEPLOY / "daybook.service").read_text("utf-8")
    for given, here in (
        ("/opt/daybook/.venv/bin/flask", sys.executable),
        ("WorkingDirectory=/opt/daybook", f"WorkingDirectory={ROOT}"),
    ):
        assert given in text
        text = text.replace(given, here)
    copy = tmp_path / "daybook.service"
    copy.write_text(text)
    return copy


def test_systemd_understands_the_unit(systemd_analyze: str, unit: Path) -> None:
    """Every option and value; an unknown one is only warned of, and then does nothing."""
    told = subprocess.run(
        [systemd_analyze, "verify", "--man=no", str(unit)], capture_output=True, text=True
    )
    assert (told.returncode, told.stderr) == (0, "")


def test_the_unit_shuts_the_service_in(systemd_analyze: str, unit: Path) -> None:
    told = subprocess.run(
        [systemd_analyze, "security", "--offline=true", "--no-pager", str(unit)],
        capture_output=True,
        text=True,
    )
    (exposed,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", told.stdout)
    assert float(exposed) <= MOST_EXPOSED


def test_the_image_is_built_as_it_should_be() -> None:
    """By the rules of hadolint, which reads what is run in it as well."""
    hadolint = Path(sys.executable).with_name("hadolint")
    told = subprocess.run([hadolint, DEPLOY / "Dockerfile"], capture_output=True, text=True)
    assert (told.returncode, told.stdout) == (0, "")


def test_the_image_has_what_it_needs() -> None:
    """Whatever is copied is in the repository, and not shut out by .dockerignore."""
    lines = (DEPLOY / "Dockerfile").read_text("utf-8").splitlines()
    copied = [name for line in lines if line.startswith("COPY ") for name in line.split()[1:-1]]
    shown = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines()}
    for name in copied:
        if not name.startswith("--from"):
            assert (ROOT / name).exists() or name == "/opt/daybook/.venv"
            assert name in shown or name == "/opt/daybook/.venv"


def test_the_settings_of_the_compose_file_are_taken() -> None:
    """By the name of each, and its value."""
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))["services"]
    config = from_environment(services["daybook"]["environment"])
    address = services["nginx"]["networks"]["inside"]["ipv4_address"]
    assert [str(each) for each in config.trusted_proxies] == [f"{address}/32"]
    assert config.host == "0.0.0.0"
    assert "127.0.0.1" in config.trusted_hosts  # the health check asks there
