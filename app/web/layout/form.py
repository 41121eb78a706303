"""Submitted forms: parsing (UTF-8, percent-encoded), the CSRF check, and field errors."""

import re
from collections.abc import Collection
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from flask import request
from werkzeug.datastructures import ETags, FileStorage, MultiDict
from werkzeug.exceptions import RequestEntityTooLarge

from app.http.requests.body import WrongMediaType, body_bytes
from app.http.requests.conditions import EtagCondition
from app.kernel.errors import DaybookError, Invalid, Malformed, Problem, Stale
from app.web.layout import csrf

MEDIA_TYPE = "application/x-www-form-urlencoded"
UPLOAD_MEDIA_TYPE = "multipart/form-data"
MAX_FIELDS = 2100
_MINUS = "\N{MINUS SIGN}"
_INTEGER = re.compile("[+-]?[0-9]{1,9}")
_DECIMAL_COMMA = re.compile("([0-9]+),([0-9]{1,2})")
"""A comma before one or two digits is no separator of thousands."""

_LABELS = {
    "customer_name": "Name",
    "customer_email": "E-mail",
    "quantity": "On hand",
    "low_stock_threshold": "Low from",
    "change": "Pieces",
    "count": "Counted",
    "delay_s": "Seconds",
    "url": "Address",
    "types": "Events",
    "since": "The time",
}
"""The pages' word for a field, where it is not the field's name."""

_STALE = (
    "This has changed meanwhile. Look at how it is now, and save again if your change is still "
    "right."
)


class SubmittedForm(NamedTuple):
    """The fields of a form by name: those with one value, and those that may repeat.

    `error` says why the form was refused, on the page that shows it again.
    """

    fields: dict[str, str]
    lists: dict[str, list[str]]
    error: DaybookError | None = None

    def get(self, name: str) -> str:
        """Return a field's text, trimmed; empty when the field is missing."""
        return self.fields.get(name, "").strip()

    def filled(self, *names: str) -> dict[str, Any]:
        """Return the fields that are not empty, as members of a request."""
        return {name: self.get(name) for name in names if self.get(name)}

    def filled_integers(self, *names: str) -> dict[str, Any]:
        """Return the fields that are not empty, as integers where they are (see parse_integer)."""
        return {name: parse_integer(text) for name, text in self.filled(*names).items()}

    def expected_versions(self) -> EtagCondition:
        """Return the condition that the document is at the form's version, as by If-Match."""
        return EtagCondition(ETags([self.get("version")]))

    def refused(self, error: DaybookError | None) -> "SubmittedForm":
        """Return the form with its error."""
        return self._replace(error=error)

    def errors(self) -> dict[str, str]:
        """Return a sentence for each field in error; the one under "" belongs to no field."""
        if self.error is None:
            return {}
        if isinstance(self.error, Stale):
            return {"": _STALE}
        if not isinstance(self.error, Invalid):
            return {"": str(self.error)}
        errors: dict[str, str] = {}
        for pointer, message in self.error.problems:
            name = pointer.removeprefix("/")
            label = _LABELS.get(name) or name.replace("_", " ").capitalize()
            errors.setdefault(name if name in self.fields else "", f"{label} {message}.".lstrip())
        return errors


NO_FORM = SubmittedForm({}, {})
"""Stands for the form of a page that was requested, not submitted."""


def submitted_form(*repeatable: str) -> SubmittedForm:
    """Return the form in this request's body.

    Raises WrongMediaType, Malformed, Forbidden for a wrong CSRF token, and 413 when too large.
    """
    body = body_bytes()
    if request.mimetype != MEDIA_TYPE:
        raise WrongMediaType(f"Send the form as {MEDIA_TYPE}.", Accept=MEDIA_TYPE)
    form = _group(_parse(body), repeatable)
    csrf.check_csrf_token(form.fields.pop(csrf.FIELD, ""))
    return form


def submitted_upload(name: str) -> tuple[SubmittedForm, FileStorage]:
    """Return the form with a file in this request's body, and the file of the field `name`.

    The file is empty when none was chosen. Raises as submitted_form does.
    """
    body_bytes()
    if request.mimetype != UPLOAD_MEDIA_TYPE:
        raise WrongMediaType(f"Send the form as {UPLOAD_MEDIA_TYPE}.", Accept=UPLOAD_MEDIA_TYPE)
    form = _group(list(request.form.items(multi=True)), ())
    csrf.check_csrf_token(form.fields.pop(csrf.FIELD, ""))
    return form, request.files.get(name) or FileStorage()


def submitted_file(name: str) -> bytes:
    """Return the content of the file in this request's form with the file field `name`.

    Raises Invalid at the field when no file was chosen or the form is too large, and Forbidden for
    a wrong CSRF token.
    """
    try:
        _, file = submitted_upload(name)
    except RequestEntityTooLarge:
        raise Invalid([Problem(f"/{name}", "is too large; at most 1 MB can be sent")]) from None
    if not file.filename:
        raise Invalid([Problem(f"/{name}", "is missing: choose a file")])
    content: bytes = file.read()
    return content


def form_of_ended_session() -> list[tuple[str, str]]:
    """Return the fields of a form that was sent from a page of a session that has ended since.

    Empty for any other request: a foreign form is not kept.
    """
    if request.method != "POST" or request.mimetype != MEDIA_TYPE:
        return []
    pairs = _parse(body_bytes())
    if not csrf.is_of_ended_session(dict(pairs).get(csrf.FIELD, "")):
        return []
    return [pair for pair in pairs if pair[0] != csrf.FIELD]


def parse_integer(text: str) -> int | str:
    """Return `text` as an integer; other text unchanged, for the schema to refuse."""
    plain = text.replace(_MINUS, "-")
    return int(plain) if _INTEGER.fullmatch(plain) else text


def decimal_point(text: str) -> str:
    """Return an amount with a decimal comma with a point; other text unchanged."""
    return _DECIMAL_COMMA.sub(r"\1.\2", text) if _DECIMAL_COMMA.fullmatch(text) else text


def _parse(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
        )
    except ValueError:
        raise Malformed("This is not a form in UTF-8; please load the page again.") from None


def _group(pairs: list[tuple[str, str]], repeatable: Collection[str]) -> SubmittedForm:
    """Group the fields by name. Raises Malformed when a field repeats that may not."""
    fields = MultiDict(pairs)
    lists = {name: fields.poplist(name) for name in repeatable}
    if any(len(values) > 1 for _, values in fields.lists()):
        raise Malformed("A field occurs twice in this form; please load the page again.")
    return SubmittedForm(fields.to_dict(), lists)
