"""Reads a page as a person's browser does: its text, its fields and its links."""

from html.parser import HTMLParser

from werkzeug.test import TestResponse

_VOID = frozenset({"input", "meta", "link", "br"})


class Page(HTMLParser):
    """`fields` are the inputs and named buttons by name, each with its attributes."""

    def __init__(self, answer: TestResponse) -> None:
        super().__init__()
        self.status = answer.status_code
        self.fields: dict[str, dict[str, str]] = {}
        self.labels: set[str] = set()
        self.by_id: dict[str, str] = {}
        self.links: list[str] = []
        self.metas: dict[str, str] = {}
        self.text = ""
        self._open: list[str] = []
        self.feed(answer.get_data(as_text=True))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See HTMLParser."""
        given = {name: value or "" for name, value in attrs}
        if tag in ("input", "button") and "name" in given:
            assert given["name"] not in self.fields, "two fields of one name"
            self.fields[given["name"]] = given
        if tag == "label":
            self.labels.add(given["for"])
        if tag == "a":
            self.links.append(given["href"])
        if tag == "meta" and "http-equiv" in given:
            self.metas[given["http-equiv"]] = given["content"]
        if tag not in _VOID:
            self._open.append(given.get("id", ""))

    def handle_endtag(self, tag: str) -> None:
        """See HTMLParser."""
        self._open.pop()

    def handle_data(self, data: str) -> None:
        """See HTMLParser."""
        self.text += f" {data.strip()}" if data.strip() else ""
        for name in filter(None, self._open):
            self.by_id[name] = self.by_id.get(name, "") + data

    def filled(self, **typed: str) -> dict[str, str]:
        """What the browser sends when these fields are typed in and no button is named."""
        values = {
            name: each.get("value", "")
            for name, each in self.fields.items()
            if name not in ("place", "after")
        }
        for name, value in typed.items():
            values[name if name in values or name in ("place", "after") else quantity(name)] = value
        return values


def quantity(sku: str) -> str:
    """The name of a product's field."""
    return f"quantity.{sku}"
