"""`flask serve`: serves the shop on its address."""

import click

from app.auth.guard import refuse_unprotected_remote_access
from app.cli.command import command
from app.imports.sample import add_sample
from app.server import open_files, run, tls
from app.server.runtime import Runtime
from app.store.files.folder.open import is_small


@command("serve")
@click.option("--sample", is_flag=True, help="Give a new shop the sample catalogue.")
def serve(runtime: Runtime, *, sample: bool) -> None:
    """Serve the shop with Granian, several processes on one store."""
    config = runtime.config
    open_files.refuse_low_limit(config)
    listeners = run.bind(config)
    tls.refuse_unusable(config)
    runtime.prepare()  # once, before each worker would start it
    refuse_unprotected_remote_access(runtime.store, config)
    # A large folder is no new shop. The workers open it anyway, each after its fork.
    is_new = sample and (not runtime.has_files or is_small(config.data))
    added = add_sample(runtime.store, config.currency) if is_new else 0
    runtime.close()
    if added:
        click.echo(f"This shop is new: {added} sample products were put on its shelves.")
    click.echo(f"Daybook listens on {run.base_url(config)} (Ctrl-C stops it).")
    run.run(config, listeners)
