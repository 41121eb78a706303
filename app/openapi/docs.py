"""The API documentation: /docs (Swagger UI), /openapi.json and /postman.json.

The files of Swagger UI come from the package flask-swagger-ui. Its page is not used, because it
needs inline scripts; this page has none, and its policy allows no other host.
"""

from functools import cache
from importlib.resources import files
from typing import Any

from flask import Blueprint, Response, current_app, render_template, request, send_from_directory
from werkzeug.exceptions import NotFound

from app.http.responses.json_response import json_response
from app.kernel.release import VERSION
from app.openapi.document import openapi_document
from app.openapi.postman import postman_collection

SWAGGER_UI = "swagger-ui.css", "swagger-ui-bundle.js"
"""The files of Swagger UI that the page needs."""

_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


def blueprint() -> Blueprint:
    """The routes; the contract is generated at the first request for it."""
    docs = Blueprint(
        "docs",
        __name__,
        template_folder="templates",
        static_folder="static",
        static_url_path="/docs/static",
    )

    @cache
    def contract() -> dict[str, Any]:
        # a relative URL: the page sends its requests to the service that served it
        return openapi_document(current_app) | {"servers": [{"url": "/"}]}

    @docs.get("/openapi.json")
    def get_contract() -> Response:
        return json_response(contract())

    @docs.get("/postman.json")
    def get_collection() -> Response:
        servers = [{"url": request.url_root.rstrip("/")}]
        return json_response(postman_collection(contract() | {"servers": servers}))

    @docs.get("/docs")
    def show_docs() -> Response:
        page = Response(render_template("docs.html", version=VERSION))
        page.headers.update(_PAGE_HEADERS)
        return page

    @docs.get("/docs/<path:file>")
    def get_file(file: str) -> Response:
        if file not in SWAGGER_UI:
            raise NotFound
        # no ETag: it would have to differ for a compressed response
        return send_from_directory(str(files("flask_swagger_ui") / "dist"), file, etag=False)

    return docs
