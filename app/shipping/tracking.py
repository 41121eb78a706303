"""The tracking pages of known carriers."""

from urllib.parse import quote

from app.store import Document

TRACKING_PAGES = {
    "dhl": "https://www.dhl.com/global-en/home/tracking/tracking-parcel.html?tracking-id=",
    "dpd": "https://tracking.dpd.de/status/en_US/parcel/",
    "fedex": "https://www.fedex.com/fedextrack/?trknbr=",
    "ups": "https://www.ups.com/track?tracknum=",
    "usps": "https://tools.usps.com/go/TrackConfirmAction?tLabels=",
}
"""The address of each carrier's tracking page, to which the tracking number is appended."""


def tracking_url(shipment: Document) -> str | None:
    """The address that follows the parcel; None before it has left, and for an unknown carrier.

    The carrier is what a clerk typed: its first word counts, in any case ("DHL Express").
    """
    first, *_ = (shipment["carrier"] or "").casefold().split() or [""]
    page = TRACKING_PAGES.get(first)
    return page + quote(shipment["tracking_number"], safe="") if page else None
