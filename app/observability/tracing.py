"""Creates the span exporter, an optional extra; see spans.py."""

from importlib import import_module
from typing import TYPE_CHECKING

from app.kernel.errors import Unavailable

if TYPE_CHECKING:
    from app.observability.spans import Spans


def make_spans(endpoint: str | None) -> "Spans | None":
    """Return an exporter to `endpoint`; None without one. Raises Unavailable without the extra."""
    if endpoint is None:
        return None
    try:
        spans = import_module("app.observability.spans")
    except ModuleNotFoundError as error:
        raise Unavailable(
            f"DAYBOOK_OTLP_ENDPOINT is set, but {error.name} is not installed; run "
            "`.venv/bin/pip install -r requirements-otel.txt`, or leave the setting out."
        ) from None
    made: Spans = spans.Spans(endpoint)
    return made
