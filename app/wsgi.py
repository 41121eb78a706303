"""The WSGI entry point: every server process imports `app` from here."""

import os

from app import create_app
from app.kernel.errors import DaybookError
from app.server import workers

try:
    app = create_app(delivers=workers.delivers())
    if "FLASK_RUN_FROM_CLI" not in os.environ:
        workers.start_worker(app)
except DaybookError as error:
    workers.exit_with_error(error)

workers.report_serving()
