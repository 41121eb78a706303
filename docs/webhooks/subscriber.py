"""A subscriber to Daybook's events: verifies each webhook, and does nothing twice.

pip install flask standardwebhooks
WEBHOOK_SECRET=whsec_... flask --app subscriber run --port 9000
"""

import os
import sqlite3
from contextlib import closing

from flask import Flask, request
from standardwebhooks import Webhook, WebhookVerificationError

app = Flask(__name__)
webhook = Webhook(os.environ["WEBHOOK_SECRET"])
DATABASE = os.environ.get("DATABASE", "subscriber.db")


@app.post("/")
def receive():
    try:
        event = webhook.verify(request.get_data(), dict(request.headers))
    except (WebhookVerificationError, ValueError):
        return "", 401
    with closing(sqlite3.connect(DATABASE)) as database, database:  # one transaction
        database.execute("CREATE TABLE IF NOT EXISTS seen (id PRIMARY KEY)")
        new = database.execute("INSERT OR IGNORE INTO seen VALUES (?)", [event["id"]]).rowcount
        if new:
            handle(event, database)
    return "", 204


def handle(event, database):
    """Here your own work begins; what it writes belongs in the same transaction."""
    print(event["type"], event["subject"], flush=True)
