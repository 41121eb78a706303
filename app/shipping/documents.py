"""The collection that shipping owns; only shipping changes its documents."""

from app.shipping.schemas import check_shipment
from app.store import Collection

SHIPMENTS = Collection(
    name="shipments",
    key="shipment_id",
    indexes={"state": lambda shipment: [shipment["state"]]},
    listed=True,
    check=check_shipment,
)
"""A shipment's id is the id of its order."""
