"""openapi.yaml before a linter that knows more than the standard's schema."""

import pytest

from tests.clients.conftest import CONTRACT, Run, node_tool


@pytest.mark.deep
def test_redocly_finds_no_error(run: Run) -> None:
    """It passes the recommended rules; the owner has to choose a licence: the warning left."""
    printed = run(
        node_tool("redocly"),
        *("lint", CONTRACT, "--skip-rule", "info-license"),
        REDOCLY_TELEMETRY="off",
        REDOCLY_SUPPRESS_UPDATE_NOTICE="true",
    )
    assert "Your API description is valid" in printed
    assert "warning" not in printed.replace("Deprecation warning", "")
