"""/docs: the contract as a page where it can be tried out; /openapi.json and /postman.json.

The page is Swagger UI, from the package flask-swagger-ui, which brings its files along; only they
are used, because that package's own page needs inline scripts. Here nothing is inline, and the
browser is told to ask no other host.
"""

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from flask import (
    Blueprint,
    Response,
    abort,
    current_app,
    render_template,
    request,
    send_from_directory,
)

from app.http.responses.json_response import json_response
from app.openapi.document import document
from app.openapi.postman import collection

SWAGGER_UI = frozenset({"swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"})
"""What the page needs of Swagger UI."""

_GUARD = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


def blueprint() -> Blueprint:
    """The routes. They tell of whatever the application has when they are first asked."""
    docs = Blueprint(
        "docs",
        __name__,
        template_folder="templates",
        static_folder="static",
        static_url_path="/docs/static",
    )

    @cache
    def contract() -> dict[str, Any]:
        # whatever the address: the page tries out the service that it came from
        return document(current_app) | {"servers": [{"url": "/"}]}

    @docs.get("/openapi.json")
    def get_contract() -> Response:
        return json_response(contract())

    @docs.get("/postman.json")
    def get_collection() -> Response:
        return json_response(
            collection(contract() | {"servers": [{"url": request.url_root.rstrip("/")}]})
        )

    @docs.get("/docs")
    def show_docs() -> Response:
        page = Response(render_template("docs.html"))
        page.headers.update(_GUARD)
        return page

    @docs.get("/docs/<path:file>")
    def get_file(file: str) -> Response:
        if file not in SWAGGER_UI:
            abort(404)
        # without an ETag, which would have to differ for each coding
        return send_from_directory(_folder(), file, etag=False)

    return docs


def _folder() -> Path:
    return Path(str(files("flask_swagger_ui"))) / "dist"
