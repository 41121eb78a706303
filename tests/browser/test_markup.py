"""The W3C's checker (vnu) finds no error in the HTML of any page, nor in the style sheet."""

import subprocess
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.browser.conftest import JAR
from tests.processes.servers import Server

pytestmark = pytest.mark.deep


def test_the_markup_is_valid(shop: Server, pages: list[str], java: str, tmp_path: Path) -> None:
    """Every page, with hostile text in it, also one with errors."""
    files = [tmp_path / f"{place}.html" for place in range(len(pages))]
    for path, file in zip(pages, files, strict=True):
        file.write_bytes(_fetched(shop, path))
    style = tmp_path / "style.css"
    style.write_bytes(_fetched(shop, "/static/style.css"))
    for checked in ([*files], ["--css", style]):
        command = [java, "-jar", JAR, "--errors-only", *checked]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def _fetched(shop: Server, path: str) -> bytes:
    connection = HTTPConnection("127.0.0.1", shop.port)
    connection.request("GET", path, headers={"Accept": "text/html"})
    body = connection.getresponse().read()
    connection.close()
    return body
