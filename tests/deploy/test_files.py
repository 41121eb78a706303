"""The systemd unit, the image and the compose files: read by systemd, hadolint, Compose, Daybook.

No test starts a container, which would take a docker daemon.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.config import from_environment
from app.server.runtime import SPARE_CONNECTIONS
from tests.deploy.compose import read_compose_file
from tests.processes.servers import ROOT

DEPLOY = ROOT / "deploy"
MAX_EXPOSURE = 2.0
"""On the scale of systemd-analyze, 0 to 10; a service without hardening options has 9.6."""


@pytest.fixture
def systemd_analyze() -> str:
    program = shutil.which("systemd-analyze")
    if program is None:
        assert os.environ.get("DEPLOY_TESTS") != "required", "there is no systemd-analyze"
        pytest.skip("there is no systemd-analyze")
    return program


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with the paths of this machine."""
    text = (DEPLOY / "daybook.service").read_text("utf-8")
    for original, local in (
        ("/opt/daybook/.venv/bin/flask", sys.executable),
        ("WorkingDirectory=/opt/daybook", f"WorkingDirectory={ROOT}"),
    ):
        assert original in text
        text = text.replace(original, local)
    copy = tmp_path / "daybook.service"
    copy.write_text(text)
    return copy


def test_systemd_accepts_the_unit(systemd_analyze: str, unit: Path) -> None:
    """systemd only warns of an unknown option or value, and ignores it; here it is an error."""
    result = subprocess.run(
        [systemd_analyze, "verify", "--man=no", str(unit)], capture_output=True, text=True
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_the_unit_confines_the_service(systemd_analyze: str, unit: Path) -> None:
    result = subprocess.run(
        [systemd_analyze, "security", "--offline=true", "--no-pager", str(unit)],
        capture_output=True,
        text=True,
    )
    (exposed,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", result.stdout)
    assert float(exposed) <= MAX_EXPOSURE


def test_the_unit_lets_threads_lower_their_priority() -> None:
    """`@resources`, which it refuses, has setpriority; the last mention of a call counts."""
    text = (DEPLOY / "daybook.service").read_text("utf-8")
    filters = re.findall(r"^SystemCallFilter=(.*)$", text, re.MULTILINE)
    assert filters.index("setpriority") > filters.index("~@privileged @resources")


def test_the_dockerfile_passes_hadolint() -> None:
    """hadolint also checks the shell commands in it."""
    hadolint = Path(sys.executable).with_name("hadolint")
    result = subprocess.run([hadolint, DEPLOY / "Dockerfile"], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, "")


def test_every_copied_path_is_available_to_the_image() -> None:
    """Each path is in the repository, and not excluded by .dockerignore."""
    lines = (DEPLOY / "Dockerfile").read_text("utf-8").splitlines()
    copied = [name for line in lines if line.startswith("COPY ") for name in line.split()[1:-1]]
    included = {
        line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines()
    }
    for name in copied:
        if not name.startswith("--from"):
            assert (ROOT / name).exists() or name == "/opt/daybook/.venv"
            assert name in included or name == "/opt/daybook/.venv"


@pytest.mark.parametrize("file", ["compose.yaml", "compose/compose.yaml"])
def test_the_settings_of_a_compose_file_are_valid(file: str) -> None:
    """Daybook accepts each name and value, and trusts the address of nginx, which knows its own."""
    project = read_compose_file(file)
    services, upstream = project["services"], project["configs"]["upstream"]["content"]
    proxy = services["nginx"]["networks"]["inside"]["ipv4_address"]
    shops = [each for name, each in services.items() if name.startswith("daybook")]
    for shop in shops:
        config = from_environment(shop["environment"])
        assert [str(each) for each in config.trusted_proxies] == [f"{proxy}/32"]
        assert config.host == "0.0.0.0"
        address = shop["networks"]["inside"]["ipv4_address"]
        assert f"server {address}:{config.port};" in upstream
    assert upstream.count("server ") == len(shops)


def test_the_database_allows_the_connections_of_all_processes() -> None:
    """By the formula in docs/scaling.md."""
    services = read_compose_file("compose/compose.yaml")["services"]
    needed = 0
    for name in ("daybook-1", "daybook-2"):
        config = from_environment(services[name]["environment"])
        needed += (config.workers + 1) * (config.threads + SPARE_CONNECTIONS + 1) + 1
    (setting,) = [each for each in services["database"]["command"] if "max_connections" in each]
    assert needed < int(setting.partition("=")[2])
