"""Parses a page as a browser does: text, forms and links; and submits its forms."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

_VOID = frozenset({"input", "meta", "link", "br", "img"})
_FIELDS = frozenset({"input", "select", "textarea"})


@dataclass
class Form:
    """One form: its fields and named buttons by name, each with its attributes and value."""

    action: str
    fields: dict[str, dict[str, str]] = field(default_factory=dict)
    buttons: set[str] = field(default_factory=set)

    def filled(self, **typed: str) -> dict[str, str]:
        """Return what the browser submits with these fields filled in and no named button."""
        values = {
            name: each.get("value", "")
            for name, each in self.fields.items()
            if name not in self.buttons and each.get("type") != "checkbox"
        }
        return values | typed


class Page(HTMLParser):
    """`fields` are those of all forms, by name; `forms` are by their action.

    `buttons` are the named ones of all forms, as name=value. `options` are the values of a select
    or datalist by its id.
    """

    def __init__(self, answer: TestResponse, address: str = "") -> None:
        super().__init__()
        self.status = answer.status_code
        self.address = answer.request.path if answer.request else address
        self.forms: dict[str, Form] = {}
        self.fields: dict[str, dict[str, str]] = {}
        self.labels: set[str] = set()
        self.by_id: dict[str, str] = {}
        self.links: list[str] = []
        self.buttons: list[str] = []
        self.options: dict[str, list[str]] = {}
        self.metas: dict[str, str] = {}
        self.body: dict[str, str] = {}
        self.text = ""
        self._open: list[str] = []
        self._form = Form("")
        self._select: dict[str, str] = {}
        self._textarea: dict[str, str] | None = None
        self._is_text_value = False
        self.feed(answer.get_data(as_text=True))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See HTMLParser."""
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = Form(given.get("action", self.address))
            self.forms[self._form.action] = self._form
        if tag in (*_FIELDS, "button") and "name" in given:
            self._note_field(tag, given)
        if tag == "option" and ("selected" in given or "value" not in self._select):
            self._select["value"] = given.get("value", "")
            self._is_text_value = "value" not in given
        if tag == "option" and self._open:
            self.options.setdefault(self._open[-1], []).append(given.get("value", ""))
        if tag == "label":
            self.labels.add(given["for"])
        if tag == "body":
            self.body = given
        if tag == "textarea":
            self._textarea = given
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "meta" and "http-equiv" in given:
            self.metas[given["http-equiv"]] = given["content"]
        if tag not in _VOID:
            self._open.append(given.get("id", ""))

    def handle_endtag(self, tag: str) -> None:
        """See HTMLParser."""
        self._open.pop()
        if tag == "textarea":
            self._textarea = None

    def handle_data(self, data: str) -> None:
        """See HTMLParser."""
        if self._textarea is not None:
            self._textarea["value"] = self._textarea.get("value", "") + data
        self.text += f" {data.strip()}" if data.strip() else ""
        if self._is_text_value:
            self._select["value"], self._is_text_value = data.strip(), False
        for name in filter(None, self._open):
            self.by_id[name] = self.by_id.get(name, "") + data

    def form(self, ending: str) -> Form:
        """Return the form whose action ends with this."""
        [found] = [form for action, form in self.forms.items() if action.endswith(ending)]
        return found

    def filled(self, **typed: str) -> dict[str, str]:
        """Return the submitted order form; a sku stands for its quantity field."""
        form = self.form("/")
        names = {name: name if name in form.fields else quantity(name) for name in typed}
        return form.filled(**{names[name]: value for name, value in typed.items()})

    def _note_field(self, tag: str, given: dict[str, str]) -> None:
        name = given["name"]
        if tag != "button" and given.get("type") != "checkbox":
            assert name not in self._form.fields, f"two fields {name} in one form"
        self._form.fields[name] = given
        self.fields.setdefault(name, given)
        if tag == "button":
            self._form.buttons.add(name)
            self.buttons.append(f"{name}={given.get('value', '')}")
        if tag == "select":
            self._select = given


def quantity(sku: str) -> str:
    """The name of a product's quantity field."""
    return f"quantity.{sku}"


def send(client: FlaskClient, page: Page, ending: str, **typed: str) -> Page:
    """Return the page that follows when a form is filled in and submitted, after redirects."""
    form = page.form(ending)
    return Page(client.post(form.action, data=form.filled(**typed), follow_redirects=True))
