"""The server's entry point: every worker process imports `app` from here."""

import os
from multiprocessing.util import Finalize

from app import create_app

app = create_app()

if "FLASK_RUN_FROM_CLI" not in os.environ:
    # a server: deliver what an earlier run left behind, before the first request comes
    app.extensions["daybook"].start()
    # workers are children of multiprocessing, which runs finalizers, but not atexit
    Finalize(None, app.extensions["daybook"].close, exitpriority=1)
