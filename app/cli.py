"""The commands: `flask serve` and those for operators."""

from flask import Flask

from app.config import Config
from app.runtime import Runtime


def install(app: Flask, config: Config, runtime: Runtime) -> None:
    """Add the commands to `app`."""

    @app.cli.command("serve")
    def serve() -> None:
        """Serve the shop with Granian, several processes on one data folder."""
        from app.server import run

        runtime.open()
        runtime.close()
        run(config)
