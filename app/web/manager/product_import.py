"""Imports products from a file: a preview of the rows that would be refused, then the import.

The server keeps the file in between, and the form of the preview has its name, so the rows imported
are those previewed. Each row is checked again, against the shop as it is then.
"""

from typing import NamedTuple

from flask import Blueprint, Response
from werkzeug.exceptions import RequestEntityTooLarge

from app.http.security.identity import current
from app.imports.columns import Columns
from app.imports.formats import Formats
from app.imports.previewed_files import PreviewedFiles
from app.imports.products import (
    FIELDS,
    REQUIRED,
    ProductImportResult,
    import_products,
    preview_products,
)
from app.imports.remedies import Remedies, Remedy, Unclear
from app.imports.tables import Table, parse_table
from app.inventory.schemas import product_request_schema
from app.kernel.errors import Invalid, Malformed
from app.web.layout.context import PageContext, page
from app.web.layout.form import NO_FORM, SubmittedForm, submitted_form, submitted_upload

MAX_FILE_BYTES = 512 << 10
"""The size of a file; a request may have twice as much."""

MAX_ROWS = 5000
"""The rows of a file."""

MAX_SHOWN_REFUSALS = 150
"""The refused rows that the page lists; it counts the others."""

ENCODINGS = {"": "UTF-8", "windows-1252": "Windows, Western Europe (windows-1252)"}
DECIMALS = {"": "As the file shows", ".": "Point: 1,234.50", ",": "Comma: 1.234,50"}
_THOUSANDS = {"": None, ".": ",", ",": "."}

_TOO_LARGE = (
    f"The file is larger than {MAX_FILE_BYTES >> 10} KB. Divide it, or import it on the server "
    "with flask import products."
)
FIELDS_OF_PAGE: Remedies = {
    Remedy.ENCODING: "save the file as UTF-8, or choose its encoding below",
    Remedy.SIGNS: "choose the decimal sign of the file below",
    Remedy.COLUMN: "rename the headings in its first row",
}
"""The page's words for what an import does not find in the file."""


_NO_FILE = "The file of this preview is no longer here: it is kept for a day. Choose it again."


class _Upload(NamedTuple):
    """A file and how to read it; `name` is only shown, and tells NDJSON by its ending."""

    name: str
    data: bytes
    encoding: str
    decimal: str


def add_to(blueprint: Blueprint, context: PageContext) -> None:
    """Register the pages."""
    pages = ProductImportPages(context)
    blueprint.get("/stock-import")(pages.show_import)
    blueprint.post("/stock-import")(pages.preview_import)
    blueprint.post("/stock-import/run")(pages.run_import)


class ProductImportPages:
    """The views."""

    def __init__(self, context: PageContext) -> None:
        self._store, self._currency = context.store, context.rules.currency
        self._schema = product_request_schema(context.rules.currency)
        self._files = PreviewedFiles(context.config.data)

    def show_import(self) -> Response:
        return self._page()

    def preview_import(self) -> Response:
        try:
            form, file = submitted_upload("file")
        except RequestEntityTooLarge as error:
            response = self._page(NO_FORM.refused(Malformed(_TOO_LARGE)))
            response.status_code = error.code
            return response
        data = file.stream.read(MAX_FILE_BYTES + 1)
        upload = _upload(form, (file.filename or "")[-100:], data)
        try:
            if not upload.name:
                raise Malformed("Choose a file.")
            table, columns, formats = self._read(upload)
        except (Malformed, Invalid) as error:
            return self._page(form.refused(_in_words(error)))
        result = preview_products(self._store, self._schema, table, columns)
        kept = self._files.keep(data) if result.added else ""
        return self._page(form, upload, result, formats, columns, kept=kept)

    def run_import(self) -> Response:
        form = submitted_form()
        data = self._files.read(form.get("kept"))
        if data is None:
            return self._page(form.refused(Malformed(_NO_FILE)))
        upload = _upload(form, form.get("file_name")[-100:], data)
        try:
            table, columns, formats = self._read(upload)
        except (Malformed, Invalid) as error:
            return self._page(form.refused(_in_words(error)))
        by = current().name
        result = import_products(self._store, self._schema, table, columns, by=by)
        return self._page(form, upload, result, formats, columns, is_done=True)

    def _read(self, upload: _Upload) -> tuple[Table, Columns, list[str]]:
        """Return the table, its columns, and the formats that its cells show.

        Raises Malformed and Invalid.
        """
        if len(upload.data) > MAX_FILE_BYTES:
            raise Malformed(_TOO_LARGE)
        table = parse_table(upload.name, upload.data, upload.encoding or None)
        if len(table.rows) > MAX_ROWS:
            raise Malformed(f"{upload.name} has more than {MAX_ROWS} rows. Divide it.")
        formats = Formats(
            decimal=upload.decimal or None,
            thousands=_THOUSANDS[upload.decimal],
            currency_digits=self._currency.digits,
        )
        columns = Columns(table, FIELDS, {}, {}, formats)
        columns.require(*REQUIRED)
        return table, columns, formats.found

    def _page(
        self,
        form: SubmittedForm = NO_FORM,
        upload: _Upload | None = None,
        result: ProductImportResult | None = None,
        formats: list[str] | None = None,
        columns: Columns | None = None,
        *,
        kept: str = "",
        is_done: bool = False,
    ) -> Response:
        rejected = sorted(result.rejected_rows, key=lambda each: each.row.line) if result else []
        refusals = [
            (each.row.line, str(each.row.cells.get("sku") or ""), each.reason)
            for each in (row.in_words(FIELDS_OF_PAGE) for row in rejected[:MAX_SHOWN_REFUSALS])
        ]
        return page(
            "manager/product_import.html",
            form,
            upload=upload,
            kept=kept,
            result=result,
            refusals=refusals,
            formats=formats or [],
            unused=columns.unused() if columns else [],
            is_done=is_done,
            fields=list(FIELDS),
            encodings=ENCODINGS,
            decimals=DECIMALS,
            max_kb=MAX_FILE_BYTES >> 10,
            max_rows=MAX_ROWS,
        )


def _upload(form: SubmittedForm, name: str, data: bytes) -> _Upload:
    encoding, decimal = form.get("encoding"), form.get("decimal")
    return _Upload(
        name,
        data,
        encoding if encoding in ENCODINGS else "",
        decimal if decimal in DECIMALS else "",
    )


def _in_words(error: Malformed | Invalid) -> Malformed:
    return Malformed(error.in_words(FIELDS_OF_PAGE) if isinstance(error, Unclear) else str(error))
