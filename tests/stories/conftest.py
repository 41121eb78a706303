"""The stories are the same on both stores; on PostgreSQL they run with the deep tests."""

from dataclasses import replace

import pytest

from app.config import Config


@pytest.fixture(params=["file", pytest.param("postgresql", marks=pytest.mark.deep)])
def config(request: pytest.FixtureRequest, config: Config) -> Config:
    """The settings of tests/conftest.py, with the store of the parameter."""
    if request.param == "file":
        return config
    return replace(config, store=request.getfixturevalue("postgresql_url"))
