"""A clock for the tests of scheduling."""

from collections.abc import Iterator

import freezegun
import pytest
from freezegun.api import FrozenDateTimeFactory


@pytest.fixture
def clock() -> Iterator[FrozenDateTimeFactory]:
    """Time stands still until the test moves it."""
    with freezegun.freeze_time("2026-11-21T08:00:00Z") as frozen:
        assert isinstance(frozen, FrozenDateTimeFactory)
        yield frozen
