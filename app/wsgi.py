"""The WSGI entry point: every server process imports `app` from here."""

import os

from app import create_app
from app.kernel.errors import DaybookError
from app.server import workers
from app.system.os_errors import unavailable

try:
    app = create_app(delivers=workers.delivers())
    if "FLASK_RUN_FROM_CLI" not in os.environ:
        workers.start_worker(app)
except DaybookError as error:
    workers.exit_with_error(error)
except OSError as error:  # a full disk, say, which has no room for the metrics of this process
    workers.exit_with_error(unavailable("A worker cannot start", error))

workers.report_serving()
