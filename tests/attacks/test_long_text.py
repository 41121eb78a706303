"""Texts of a megabyte hold no worker: lengths are checked first, and no pattern takes n² steps."""

import importlib
import pkgutil
import re
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import suppress
from time import process_time

import pytest
from flask.testing import FlaskClient
from marshmallow import ValidationError

import app
from app.auth.passwords import refuse_weak, verify_password
from app.events.dispatch.outcome import describe_error
from app.http.responses.csv_response import escape_formula
from app.inventory.schemas import Sku
from app.kernel.errors import DaybookError
from app.kernel.text_search import has_words, words_of
from app.observability.log_format import mask_secrets
from app.schema import strict_json
from app.schema.fields import EmailAddress, Text
from app.web.clerk.order_search import OrderSearch

MARKS = "a" + "\u0300\u0316" * 10_000
"""Combining marks out of order, which normalize sorts by insertion: n² steps."""


def check_password(text: str) -> None:
    """Try a password for no user. Its hash is slow on purpose."""
    verify_password(None, text)


NORMALIZING: list[Callable[[str], object]] = [
    Text(max_length=200).deserialize,
    EmailAddress().deserialize,
    Sku().deserialize,
    check_password,
    lambda text: refuse_weak(text, "ada"),
    words_of,
    lambda text: has_words(words_of(text), "a pen"),
    lambda text: OrderSearch.parse({"find": text}),
]

TEXT_FUNCTIONS: list[Callable[[str], object]] = [
    *(each for each in NORMALIZING if each is not check_password),
    mask_secrets,
    lambda text: describe_error(ValueError(text)),
    escape_formula,
    lambda text: strict_json.loads(f'["{text}"]'.encode()),
    lambda text: strict_json.loads(text.encode()),
]

UNITS = ["a", "1", "a1-", "-", "_", " ", "/", "\\", '"', '"a', '\\"', "@", "a@", ".", "1.", ","]
UNITS += ["(", "[", "{", "<", "=", "+", "%", ":", "a:", "\n", "\t", "é", "\u0300", "$", "daybook_"]

SHORT, LONG = 1_000, 8_000
MAX_GROWTH = 4 * LONG / SHORT
"""Steps in proportion grow by 8, those of n² by 64."""

MEASURABLE_S = 0.002


@pytest.mark.parametrize("function", NORMALIZING)
def test_length_is_checked_before_text_is_normalized(
    function: Callable[[str], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No text longer than a field reaches unicodedata.normalize."""
    lengths: list[int] = []
    normalize = unicodedata.normalize

    def record(form: str, text: str) -> str:
        lengths.append(len(text))
        return normalize(form, text)  # type: ignore[arg-type]  # the form is one of the callers'

    monkeypatch.setattr(unicodedata, "normalize", record)
    for text in ("ä@example.com", MARKS):
        with suppress(ValidationError, DaybookError):
            function(text)
    assert lengths
    assert max(lengths) <= 300


@pytest.mark.parametrize("unit", UNITS)
def test_the_time_of_patterns_grows_with_the_text(unit: str) -> None:
    """Each pattern and each function of text takes time in proportion to the text."""
    slow = [name for name, function in _functions() if _grows_faster(function, unit)]
    assert slow == []


@pytest.mark.parametrize("path", ["/order", "/nowhere"])
def test_the_time_of_accept_grows_with_its_length(client: FlaskClient, path: str) -> None:
    """A long run of spaces in Accept, which werkzeug reads in n² steps, holds no worker."""

    def send(text: str) -> None:
        client.get(path, headers={"Accept": f"a/b{text[:-1]}c"})

    send(" ")  # the first request opens the store
    assert not _grows_faster(send, " ")


def test_a_password_longer_than_is_verified_is_refused() -> None:
    """A password whose letters and accents are more characters than sign-in reads is refused."""
    decomposed = "abcd" + "e\u0301" * 99
    assert len(unicodedata.normalize("NFKC", decomposed)) < len(decomposed) == 202
    with pytest.raises(DaybookError, match="12 to 200 characters"):
        refuse_weak(decomposed, "ada")


def _functions() -> Iterator[tuple[str, Callable[[str], object]]]:
    for number, function in enumerate(TEXT_FUNCTIONS):
        yield f"function {number}", function
    for module in pkgutil.walk_packages(app.__path__, "app."):
        if module.name.startswith(("app.store.files.", "app.wsgi")):
            continue  # patterns for the store's own files, by their checksums; a server process
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, re.Pattern):
                yield f"{module.name}.{name}", _matching(value)


def _matching(pattern: re.Pattern[str] | re.Pattern[bytes]) -> Callable[[str], object]:
    def run(text: str) -> None:
        searched = text.encode() if isinstance(pattern.pattern, bytes) else text
        pattern.fullmatch(searched)  # type: ignore[arg-type]  # of the pattern's own type

    return run


def _grows_faster(function: Callable[[str], object], unit: str) -> bool:
    """Return whether the time grows faster than in proportion; the best of three counts."""
    if _time_s(function, unit, LONG) < MEASURABLE_S:
        return False
    short = min(_time_s(function, unit, SHORT) for _ in range(3))
    long = min(_time_s(function, unit, LONG) for _ in range(3))
    return long > MAX_GROWTH * short


def _time_s(function: Callable[[str], object], unit: str, size: int) -> float:
    text = (unit * size)[:size] + "\x00"
    start = process_time()
    with suppress(ValidationError, DaybookError):
        function(text)
    return process_time() - start
