"""schemathesis against a real service: thousands of requests made from openapi.yaml."""

import re
import sys
from pathlib import Path

import pytest

from tests.clients.conftest import CONTRACT, Run
from tests.processes.servers import ROOT, Server

FOLDER = Path(__file__).parent
LEAST_CASES = 4000


@pytest.mark.deep
@pytest.mark.long
def test_no_request_gets_an_answer_that_the_contract_has_not_got(server: Server, run: Run) -> None:
    """All checks in all phases: no 5xx, no undocumented status, header or media type.

    No answer breaks its schema, no request is taken that its schema refuses, and none is refused
    for its form that the schema takes.
    """
    printed = run(
        str(Path(sys.executable).with_name("schemathesis")),
        *("--config-file", str(FOLDER / "schemathesis.toml")),
        *("run", CONTRACT, "--url", f"http://127.0.0.1:{server.port}"),
        *("--phases", "examples,coverage,fuzzing,stateful"),
        SCHEMATHESIS_HOOKS="tests.clients.shopper",
        PYTHONPATH=str(ROOT),
    )
    found = re.search(r"(\d+) generated", printed)
    assert found, printed
    assert int(found[1]) >= LEAST_CASES
