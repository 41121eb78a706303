"""Fixtures that read /metrics as Prometheus does."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

Samples = dict[str, float]
ReadMetrics = Callable[[], Samples]


def parse(text: str) -> Samples:
    """Parse an exposition to values by `name{label="value",…}`, the labels in order."""
    return {
        _series(sample.name, sample.labels): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _series(name: str, labels: dict[str, str]) -> str:
    pairs = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
    return f"{name}{{{pairs}}}" if pairs else name


@pytest.fixture
def read_metrics(client: FlaskClient) -> ReadMetrics:
    """A function that reads the metrics of the test's own process."""

    def read() -> Samples:
        answer = client.get("/metrics")
        assert answer.status_code == 200
        assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
        return parse(answer.text)

    return read
