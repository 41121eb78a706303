"""Reading /metrics as Prometheus does."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

Figures = dict[str, float]
Read = Callable[[], Figures]


def parsed(text: str) -> Figures:
    """Every series of an exposition, as `name{label="value",…}` with the labels in order."""
    return {
        _written(sample.name, sample.labels): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _written(name: str, labels: dict[str, str]) -> str:
    told = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
    return f"{name}{{{told}}}" if told else name


@pytest.fixture
def figures(client: FlaskClient) -> Read:
    """A function that reads the figures of the test's own process."""

    def read() -> Figures:
        answer = client.get("/metrics")
        assert answer.status_code == 200
        assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
        return parsed(answer.text)

    return read
