"""The server's entry point: every worker process imports `app` from here."""

import os
import signal
from multiprocessing import parent_process
from multiprocessing.util import Finalize

from app import create_app, server
from app.errors import DaybookError
from app.watching import log

if parent_process() is not None:
    # Ctrl-C reaches the workers too, and the server passes it on as SIGTERM: a worker of Granian
    # that gets both may never end
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})

try:
    app = create_app()
    if "FLASK_RUN_FROM_CLI" not in os.environ:
        log.begin(app.extensions["daybook"].config).start()
        # a server: deliver what an earlier run left behind, before the first request comes
        app.extensions["daybook"].start()
        # workers are children of multiprocessing, which runs finalizers, but not atexit
        Finalize(None, app.extensions["daybook"].close, exitpriority=1)
        Finalize(None, log.LOG.close, exitpriority=0)
        if parent_process() is not None:
            server.notice_stop(app.extensions["daybook"].stopping)
except DaybookError as error:
    server.refuse(error)

server.serves()
