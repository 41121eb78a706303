"""The server's entry point: every process of it imports `app` from here."""

import os

from app import create_app
from app.kernel.errors import DaybookError
from app.server import workers

try:
    app = create_app(delivers=workers.delivers())
    if "FLASK_RUN_FROM_CLI" not in os.environ:
        workers.begin(app)
except DaybookError as error:
    workers.refuse(error)

workers.serves()
