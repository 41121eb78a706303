"""What a process opens for the shop, and closes again."""

import gc

from flask import Flask

from app.server.runtime import Runtime


def test_a_closed_store_can_be_collected(app: Flask) -> None:
    """While it is open, the garbage collector leaves out what the store keeps in memory."""
    runtime: Runtime = app.extensions["daybook"]
    runtime.start()
    assert gc.get_freeze_count() > 0
    runtime.close()
    assert gc.get_freeze_count() == 0
