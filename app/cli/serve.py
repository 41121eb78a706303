"""`flask serve`: serves the shop on its address."""

import click

from app.auth.guard import refuse_unprotected_remote_access
from app.cli.command import command
from app.imports.sample import add_sample
from app.server import run, tls
from app.server.runtime import Runtime
from app.store.files.folder.open import is_small


@command("serve")
def serve(runtime: Runtime) -> None:
    """Serve the shop with Granian, several processes on one data folder."""
    config = runtime.config
    listeners = run.bind(config)
    tls.refuse_unusable(config)
    runtime.migrate()  # once, before each worker would start it
    refuse_unprotected_remote_access(runtime.store, config)
    # A new shop gets the sample products. A large folder is no new shop, and the workers open it
    # anyway, each after its fork, and report what is wrong with it.
    added = add_sample(runtime.store, config.currency) if is_small(config.data) else 0
    runtime.close()
    if added:
        click.echo(f"This shop is new: {added} sample products were put on its shelves.")
    click.echo(f"Daybook listens on {run.base_url(config)} (Ctrl-C stops it).")
    run.run(config, listeners)
