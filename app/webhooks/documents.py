"""The collection that webhooks owns: the endpoints, with their secrets."""

from app.store import Collection
from app.webhooks.schemas import check_endpoint

WEBHOOKS = Collection(name="webhooks", key="webhook_id", listed=True, check=check_endpoint)
