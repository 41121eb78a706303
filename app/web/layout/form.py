"""Forms as browsers send them: UTF-8, percent-encoded, each field once unless it may repeat."""

from collections.abc import Collection
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from flask import request

from app.http.requests.body import WrongMediaType, body_bytes
from app.kernel.errors import DaybookError, Invalid, Malformed
from app.web.layout import csrf

MEDIA_TYPE = "application/x-www-form-urlencoded"
MOST_FIELDS = 2100


class SubmittedForm(NamedTuple):
    """The fields of a form that came from one of our pages: by name, and those that may repeat."""

    fields: dict[str, str]
    repeated: dict[str, list[str]]

    def get(self, name: str) -> str:
        """The text of a field without the spaces around it; empty when it was left out."""
        return self.fields.get(name, "").strip()

    def given(self, *names: str) -> dict[str, Any]:
        """Those of the fields that were filled in, as the members of a request."""
        return {name: self.get(name) for name in names if self.get(name)}

    def number(self, name: str) -> int | str:
        """A field as a whole number; what is none stays text, for the schema to refuse."""
        return whole(self.get(name))


def submitted_form(*repeatable: str) -> SubmittedForm:
    """The form in this request's body.

    Raises WrongMediaType, Malformed, Forbidden for a forged one, and 413 for one that is too large.
    """
    body = body_bytes()
    if request.mimetype != MEDIA_TYPE:
        raise WrongMediaType(f"Send the form as {MEDIA_TYPE}.", Accept=MEDIA_TYPE)
    sent = _sorted(_pairs(body), repeatable)
    csrf.refuse(sent.fields.pop(csrf.FIELD, ""))
    return sent


def whole(text: str) -> int | str:
    """`text` as a whole number, or as it is."""
    digits = text.removeprefix("+").removeprefix("-")
    is_whole = digits.isascii() and digits.isdigit() and len(digits) < 10
    return int(text) if is_whole and len(text) - len(digits) < 2 else text


def faults_of(error: DaybookError, fields: dict[str, str]) -> dict[str, str]:
    """What is wrong, as sentences by field; `fields` names the field of each JSON pointer.

    Under "" stands what belongs to no field.
    """
    if not isinstance(error, Invalid):
        return {"": str(error)}
    faults: dict[str, str] = {}
    for problem in error.problems:
        field = fields.get(problem.pointer, "")
        what = "This" if field else problem.pointer.lstrip("/").replace("/", " ")
        faults.setdefault(field, f"{what} {problem.message}.".lstrip())
    return faults


def _pairs(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MOST_FIELDS,
        )
    except ValueError:
        raise Malformed("This is not a form in UTF-8; please load the page again.") from None


def _sorted(pairs: list[tuple[str, str]], repeatable: Collection[str]) -> SubmittedForm:
    fields: dict[str, str] = {}
    repeated: dict[str, list[str]] = {name: [] for name in repeatable}
    for name, value in pairs:
        if name in repeated:
            repeated[name].append(value)
        elif name in fields:
            raise Malformed("A field stands twice in this form; please load the page again.")
        else:
            fields[name] = value
    return SubmittedForm(fields, repeated)
