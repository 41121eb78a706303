"""`flask serve`: the shop, on its address."""

import click

from app import server
from app.cli.command import Command, with_runtime
from app.imports.sample import add_sample
from app.runtime import Runtime


@click.command("serve", cls=Command)
@with_runtime
def serve(runtime: Runtime) -> None:
    """Serve the shop with Granian, several processes on one data folder."""
    config = runtime.config
    server.refuse_unusable(config)
    added = add_sample(runtime, config.currency)
    # the workers open the store by themselves, each after its fork
    runtime.close()
    if added:
        click.echo(f"This shop is new: {added} sample products were put on its shelves.")
    click.echo(f"Daybook listens on {server.address(config)} (Ctrl-C stops it).")
    server.run(config)
