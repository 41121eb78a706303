"""`flask import products` and `flask import orders`."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from app.cli.command import Command, progress_bar, with_runtime
from app.imports import orders, products
from app.imports.columns import Columns, Reader
from app.imports.formats import GROUP_SEPARATORS, Formats
from app.imports.rejected import RejectedRow, rejected_path, rejected_text, write_rejected
from app.imports.remedies import Remedies, Remedy, Unclear
from app.imports.tables import Table, read_table
from app.inventory.schemas import product_request_schema
from app.kernel.errors import Malformed
from app.kernel.payment_methods import INVOICE
from app.orders.schemas import request_schema
from app.orders.service import OrderPolicy
from app.server.runtime import Runtime
from app.system.os_errors import cause_of

OPTIONS: Remedies = {
    Remedy.ENCODING: "save the file as UTF-8, or name its encoding, such as "
    "--encoding windows-1252",
    Remedy.SIGNS: "say which by --decimal or --thousands",
    Remedy.DATE_FORMAT: "say which by --date-format",
    Remedy.COLUMN: "name another one with --column {field}=HEADING, or say what counts for all "
    "rows with --default {field}=VALUE",
    Remedy.HISTORY: "an order that has ended needs --history",
}
"""The options by which a person states what an import does not find in the file."""


@click.group("import")
def imports() -> None:
    """Import products or orders from a CSV or NDJSON file."""


def _parse_assignments(
    _context: click.Context, _option: click.Parameter, texts: tuple[str, ...]
) -> dict[str, str]:
    """The values of a repeatable option FIELD=VALUE, by field."""
    values: dict[str, str] = {}
    for text in texts:
        field, sign, value = (part.strip() for part in text.partition("="))
        if not (field and sign and value):
            raise click.BadParameter(f"{text!r} must be FIELD=VALUE.")
        if field in values:
            raise click.BadParameter(f"{field} is given twice.")
        values[field] = value
    return values


def _check_encoding(
    _context: click.Context, _option: click.Parameter, name: str | None
) -> str | None:
    """The name of an encoding of text that Python knows."""
    try:
        if name is not None:
            "".encode(name)
    except (LookupError, ValueError):
        raise click.BadParameter(f"{name!r} is not an encoding of text.") from None
    return name


def _import_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the parameters that every import has."""
    for parameter in (
        click.option(
            "--encoding",
            callback=_check_encoding,
            metavar="NAME",
            help="The encoding of FILE, such as windows-1252; UTF-8 unless given.",
        ),
        click.option(
            "--date-format",
            metavar="PATTERN",
            help="How dates are written, such as '%d.%m.%Y %H:%M'; detected where certain.",
        ),
        click.option(
            "--thousands",
            type=click.Choice(GROUP_SEPARATORS),
            help="The sign between thousands in amounts; detected where certain.",
        ),
        click.option(
            "--decimal",
            type=click.Choice([".", ","]),
            help="The decimal sign of amounts; detected where certain.",
        ),
        click.option(
            "--default",
            "defaults",
            multiple=True,
            callback=_parse_assignments,
            metavar="FIELD=VALUE",
            help="The value where FIELD is empty or missing.",
        ),
        click.option(
            "--column",
            "headings",
            multiple=True,
            callback=_parse_assignments,
            metavar="FIELD=HEADING",
            help="Read FIELD from the column with this heading.",
        ),
        click.argument("file", type=click.Path(path_type=Path)),
    ):
        command = parameter(command)
    return command


@imports.command("products", cls=Command)
@_import_options
@with_runtime
def import_products(runtime: Runtime, file: Path, **options: Any) -> None:
    """Add the products in FILE.

    Fields: sku, name, price, quantity, category, low_stock_threshold, backorder,
    tax_rate, archived. A row that repeats a sku with other values is refused. A product that the
    shop has already is left as it is; a row with another name or price for it is refused.
    """
    table, columns = _read(runtime, file, products.FIELDS, products.REQUIRED, **options)
    schema = product_request_schema(runtime.config.currency)
    with progress_bar("products", len(table.rows)) as bar:
        result = products.import_products(runtime.store, schema, table, columns, bar.update)
    click.echo(
        f"Products: {result.added} added, {result.existing} already there, "
        f"{result.repeated} rows repeat a sku, {len(result.rejected_rows)} refused."
    )
    _print_refusals(file, table, columns, result.rejected_rows)


@imports.command("orders", cls=Command)
@_import_options
@click.option(
    "--history",
    "is_history",
    is_flag=True,
    help="Record orders that have ended, with their states: no mail, payment, shipment or stock.",
)
@with_runtime
def import_orders(runtime: Runtime, file: Path, *, is_history: bool, **options: Any) -> None:
    """Add the orders in FILE, which has a row for each order line.

    Fields: order, customer_name, customer_email, product, quantity, amount, order_date, status,
    payment_status, order_id, currency. `order` is the shop's own reference: it groups the rows, and
    is never imported twice. Rows that contradict each other, or an order imported before with
    another content, are refused.

    The orders are placed now: customers with an e-mail address get mail, and the goods are
    reserved and packed. Orders that have ended are recorded with --history instead.
    """
    required = orders.REQUIRED_OF_HISTORY if is_history else orders.REQUIRED
    table, columns = _read(runtime, file, orders.FIELDS, required, **options)
    config = runtime.config
    # another system has collected the payment, or never will
    rules = OrderPolicy(config.currency, config.unlisted_products, INVOICE)
    schema = request_schema(config.currency)
    work = orders.OrderImport(rules, schema, config.timezone, is_history=is_history)
    with progress_bar("orders", len(table.rows)) as bar:
        result = work.run(runtime.store, table, columns, bar.update)
    total = f"{config.currency.format(result.total)} {config.currency.code}"
    click.echo(
        f"Orders: {result.accepted} accepted ({result.lines} lines, {total}), "
        f"{result.existing} already imported, {result.rejected} refused."
    )
    if result.waiting:
        click.echo(f"{result.waiting} of the accepted orders wait for stock.")
    _print_refusals(file, table, columns, result.rejected_rows)


def _read(
    runtime: Runtime,
    file: Path,
    fields: Mapping[str, Reader],
    required: Iterable[str],
    *,
    headings: dict[str, str],
    defaults: dict[str, str],
    encoding: str | None,
    **formats: Any,
) -> tuple[Table, Columns]:
    """The rows of the file and their columns; prints the formats that it shows.

    The keywords are those of `_import_options`. Raises Malformed and Invalid.
    """
    how = Formats(**formats, currency_digits=runtime.config.currency.digits)
    try:
        table = read_table(file, encoding)
        columns = Columns(table, fields, headings, defaults, how)
        columns.require(*required)
    except Unclear as error:
        raise Malformed(error.in_words(OPTIONS)) from None
    for sentence in how.found:
        click.echo(sentence)
    return table, columns


def _print_refusals(
    file: Path, table: Table, columns: Columns, refusals: list[RejectedRow]
) -> None:
    """Print the unused columns, and write the refused rows to a file beside this one.

    Exits with 1 when there are any.
    """
    refusals = [each.in_words(OPTIONS) for each in refusals]
    if columns.unused():
        click.echo(f"Columns not used: {', '.join(columns.unused())}.")
    try:
        write_rejected(file, table, refusals)
    except OSError as error:
        click.echo(f"{rejected_path(file).name} cannot be written ({cause_of(error)}):", err=True)
        click.echo(rejected_text(table, refusals), err=True, nl=False)
    else:
        if refusals:
            click.echo(f"{len(refusals)} refused rows, with reasons, are in {rejected_path(file)}.")
            click.echo("Correct them there, and import that file with the same options.")
    if refusals:
        click.get_current_context().exit(1)
