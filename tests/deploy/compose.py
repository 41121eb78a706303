"""Reads compose files as Docker Compose does, which needs no docker daemon for that."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.processes.servers import ROOT

PASSWORDS = {"POSTGRES_PASSWORD": "of-the-administrator", "SHOP_PASSWORD": "of-the-shop"}


def read_compose_file(name: str) -> dict[str, Any]:
    """Return the project of a file in deploy/, with all that it extends. Fails if it is invalid."""
    program = Path(sys.executable).with_name("docker-compose")
    result = subprocess.run(
        [program, "-f", ROOT / "deploy" / name, "config", "--format", "json"],
        env=os.environ | PASSWORDS,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    project: dict[str, Any] = json.loads(result.stdout)
    return project
