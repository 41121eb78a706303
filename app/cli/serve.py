"""`flask serve`: the shop, on its address."""

import click

from app.auth.guard import refuse_open_house
from app.cli.command import Command, with_runtime
from app.imports.sample import add_sample
from app.server import run, tls
from app.server.runtime import Runtime
from app.store.files.folder.open import is_small


@click.command("serve", cls=Command)
@with_runtime
def serve(runtime: Runtime) -> None:
    """Serve the shop with Granian, several processes on one data folder."""
    config = runtime.config
    listeners = run.bind(config)
    tls.refuse_unusable(config)
    runtime.upgrade()  # before there are workers, which would all want to
    refuse_open_house(runtime.store, config)
    # a new shop gets the sample. A large folder is none, and left to the workers, which open the
    # store anyhow, each after its fork: what is wrong with it comes from there
    added = add_sample(runtime.store, config.currency) if is_small(config.data) else 0
    runtime.close()
    if added:
        click.echo(f"This shop is new: {added} sample products were put on its shelves.")
    click.echo(f"Daybook listens on {run.base_url(config)} (Ctrl-C stops it).")
    run.run(config, listeners)
