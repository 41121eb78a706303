"""The API documentation: /docs, /openapi.json and the files of Swagger UI."""

import re
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.openapi.document import openapi_document
from tests.over_http import read


def test_openapi_json_is_the_contract_with_a_relative_server(
    app: Flask, client: FlaskClient
) -> None:
    """It equals openapi.yaml but for the server's URL, which fits any address."""
    assert read(client, "/openapi.json") == openapi_document(app) | {"servers": [{"url": "/"}]}


@pytest.mark.parametrize("path", ["/docs", "/docs/"])
def test_the_page_loads_nothing_from_other_hosts(client: FlaskClient, path: str) -> None:
    """Every file is served here, nothing is inline, and the policy says so."""
    page = client.get(path)
    links = re.findall(r'(?:src|href)="([^"]*)"', page.text)
    assert len(links) >= 4
    assert all(link.startswith("/") and not link.startswith("//") for link in links)
    assert {client.get(link, buffered=True).status_code for link in links} == {200}
    assert re.search(r"<script(?![^>]* src=)|<style| style=| on[a-z]+=", page.text) is None
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "//" not in policy


def test_the_script_calls_no_external_validator() -> None:
    """Swagger UI would send the contract's address to a validator on another host."""
    script = Path(__file__).parents[2] / "app" / "openapi" / "static" / "docs.js"
    assert "validatorUrl: null" in script.read_text("utf-8")
    assert "//" not in script.read_text("utf-8").partition("\n")[2]


def test_large_files_are_compressed_and_cached(client: FlaskClient) -> None:
    """The script is sent compressed, and a conditional request gets 304."""
    gzip = {"Accept-Encoding": "gzip"}
    script = client.get("/docs/swagger-ui-bundle.js", headers=gzip, buffered=True)
    assert script.headers["Content-Encoding"] == "gzip"
    since = {"If-Modified-Since": script.headers["Last-Modified"]}
    again = client.get("/docs/swagger-ui-bundle.js", headers=since, buffered=True)
    assert again.status_code == 304


@pytest.mark.parametrize(
    "path", ["index.html", "../__init__.py", "%2e%2e/README.md", "x", "static/"]
)
def test_only_the_files_of_the_page_are_served(client: FlaskClient, path: str) -> None:
    """Other files of the package, and files outside it, are 404."""
    assert client.get(f"/docs/{path}").status_code == 404
