"""`flask import products` and `flask import orders`."""

import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from app.cli.command import Command, with_runtime
from app.imports import orders, products
from app.imports.columns import Columns, Reader
from app.imports.rejected import RejectedRow, rejected_path, rejected_text, write_rejected
from app.imports.tables import Table, read_table
from app.inventory.schemas import product_request_schema
from app.kernel.payment_methods import INVOICE
from app.orders.schemas import request_schema
from app.orders.service import Rules
from app.server.runtime import Runtime


@click.group("import")
def imports() -> None:
    """Import products or orders from a CSV or NDJSON file."""


def _named(
    _context: click.Context, _option: click.Parameter, given: tuple[str, ...]
) -> dict[str, str]:
    """FIELD=VALUE, given any number of times, as a dictionary."""
    named: dict[str, str] = {}
    for text in given:
        field, sign, value = (part.strip() for part in text.partition("="))
        if not (field and sign and value):
            raise click.BadParameter(f"{text!r} must be FIELD=VALUE.")
        if field in named:
            raise click.BadParameter(f"{field} is given twice.")
        named[field] = value
    return named


def _from_file(command: Callable[..., None]) -> Callable[..., None]:
    """The parameters of every import."""
    for parameter in (
        click.option(
            "--default",
            "defaults",
            multiple=True,
            callback=_named,
            metavar="FIELD=VALUE",
            help="What to take where FIELD is empty or missing.",
        ),
        click.option(
            "--column",
            "headings",
            multiple=True,
            callback=_named,
            metavar="FIELD=HEADING",
            help="Read FIELD from the column with this heading.",
        ),
        click.argument("file", type=click.Path(path_type=Path)),
    ):
        command = parameter(command)
    return command


@imports.command("products", cls=Command)
@_from_file
@with_runtime
def import_products(
    runtime: Runtime, file: Path, headings: dict[str, str], defaults: dict[str, str]
) -> None:
    """Add the products in FILE.

    Fields: sku, name, price, quantity, category, low_stock_threshold, backorder. The first row of a
    sku wins; a product that the shop has already is left as it is.
    """
    table, columns = _read(file, products.FIELDS, products.REQUIRED, headings, defaults)
    schema = product_request_schema(runtime.config.currency)
    with _progress("products", table) as bar:
        came = products.import_products(runtime, schema, table, columns, bar.update)
    click.echo(
        f"Products: {came.added} added, {came.existing} already there, "
        f"{came.repeated} rows repeat a sku, {len(came.rejected_rows)} refused."
    )
    _tell(file, table, columns, came.rejected_rows)


@imports.command("orders", cls=Command)
@_from_file
@with_runtime
def import_orders(
    runtime: Runtime, file: Path, headings: dict[str, str], defaults: dict[str, str]
) -> None:
    """Add the orders in FILE, which has a row for each order line.

    Fields: order, customer_name, customer_email, product, quantity, amount, order_date. `order` is
    the shop's own reference: it groups the rows, and is never imported twice.
    """
    table, columns = _read(file, orders.FIELDS, orders.REQUIRED, headings, defaults)
    config = runtime.config
    # what another system sold was paid there, or never will be
    rules = Rules(config.currency, config.unlisted_products, INVOICE)
    work = orders.OrderImport(rules, request_schema(config.currency), config.timezone)
    with _progress("orders", table) as bar:
        came = work.run(runtime, table, columns, bar.update)
    total = f"{config.currency.write(came.total)} {config.currency.code}"
    click.echo(
        f"Orders: {came.accepted} accepted ({came.lines} lines, {total}), "
        f"{came.existing} already imported, {came.rejected} refused."
    )
    _tell(file, table, columns, came.rejected_rows)


def _read(
    file: Path,
    fields: Mapping[str, Reader],
    required: Iterable[str],
    headings: dict[str, str],
    defaults: dict[str, str],
) -> tuple[Table, Columns]:
    """The rows of the file, and how to read them. Raises Malformed and Invalid."""
    table = read_table(file)
    columns = Columns(table, fields, headings, defaults)
    columns.require(*required)
    return table, columns


def _progress(label: str, table: Table) -> Any:
    """A bar over the rows, on a terminal only."""
    return click.progressbar(
        length=len(table.rows), label=label, file=sys.stderr, hidden=not sys.stderr.isatty()
    )


def _tell(file: Path, table: Table, columns: Columns, refusals: list[RejectedRow]) -> None:
    """Say what was left out, and write the refused rows beside the file."""
    if columns.unused():
        click.echo(f"Columns not used: {', '.join(columns.unused())}.")
    try:
        write_rejected(file, table, refusals)
    except OSError as error:
        click.echo(f"{rejected_path(file).name} cannot be written ({error.strerror}):", err=True)
        click.echo(rejected_text(table, refusals), err=True, nl=False)
        return
    if refusals:
        click.echo(f"{len(refusals)} refused rows, with reasons, are in {rejected_path(file)}.")
