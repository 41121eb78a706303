"""Live updates: one stream of server-sent events that tells open pages that something changed.

A page says which topics it shows and the store's position at which it was drawn. The stream says
`change` with the topics that changed since, and the page then asks for itself anew; what changed is
told by pages alone. Each message has the store's position as its id. So a browser that comes back,
to whichever process, after whatever restart, says how far it had come (Last-Event-ID), and is told
at once if anything has happened since: there is no gap to fall into, and nothing to keep for it.

    GET /live?on=products&on=order/1001-Zk3…&after=4711

    id: 4715
    event: change
    data: products

A stream takes a thread of the server while it lasts. Over the limit the answer is 204, which ends a
browser's attempts (HTML, 9.2.3); the page then asks from time to time instead.
"""

from collections.abc import Iterator
from threading import BoundedSemaphore
from time import monotonic

from flask import Blueprint, Response, request

from app.billing.documents import INVOICES
from app.events.failures import FAILURES
from app.events.faults import FAULTS
from app.events.outbox import EVENTS, OUTBOX
from app.http.security.identity import current
from app.inventory.documents import PRODUCTS
from app.kernel.errors import Forbidden, Malformed, Unavailable
from app.kernel.identity import CLERK, CUSTOMER, OPERATOR
from app.orders.documents import ORDERS
from app.orders.queries import find_order_by_link
from app.shipping.documents import SHIPMENTS
from app.store import ChangeFeed, Store
from app.web.layout.context import PageContext

LOOK_S = 0.1
PAUSE_S = 0.4
"""After a message a stream rests, so that a busy shop is not drawn anew with every order."""

LONGEST_S = 300.0
"""A stream that lasts longer is ended; the browser comes back by itself, and misses nothing."""

RETRY_MS = 1000
ORDER = "order/"
TOPICS = {
    "products": (CUSTOMER, (PRODUCTS.name,)),
    "orders": (CLERK, (ORDERS.name, INVOICES.name)),
    "events": (CLERK, (OUTBOX.name, EVENTS.name)),
    "shipments": (CLERK, (SHIPMENTS.name,)),
    "failures": (OPERATOR, (FAILURES.name, FAULTS.name)),
}
"""Who may follow a topic, and for which collections it stands; order/LINK stands for one order."""

_MOST_TOPICS = 8


class Watch:
    """The feeds behind the topics of one page. Raises Malformed and NotFound."""

    def __init__(self, store: Store, topics: list[str]) -> None:
        self._feeds = [
            (topic, feed, only) for topic in topics for feed, only in _feeds_of(store, topic)
        ]

    def changed(self) -> list[str]:
        """The topics of which a document has changed since the last call, each once."""
        told = [
            topic
            for topic, feed, only in self._feeds
            if (keys := feed.take(timeout_s=0)) and (only is None or only in keys)
        ]
        return list(dict.fromkeys(told))


def add_to(pages: Blueprint, site: PageContext) -> None:
    """The stream at /live."""
    places = BoundedSemaphore(site.streams) if site.streams else None

    @pages.get("/live")
    def follow() -> Response:
        topics = request.args.getlist("on")
        if not 0 < len(topics) <= _MOST_TOPICS:
            raise Malformed(f"Say on=TOPIC, one to {_MOST_TOPICS} times.")
        for topic in topics:
            _refuse_others(topic)
        watch = Watch(site.store, topics)
        if places is None or not places.acquire(blocking=False):
            return Response(status=204)
        answer = Response(messages(site, watch, _seen(), topics), mimetype="text/event-stream")
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["X-Accel-Buffering"] = "no"  # nginx would keep the messages to itself
        answer.call_on_close(places.release)
        site.count_streams(1)
        answer.call_on_close(lambda: site.count_streams(-1))
        return answer


def _feeds_of(store: Store, topic: str) -> list[tuple[ChangeFeed, str | None]]:
    """The feeds of a topic, each with the one key that counts (None: all do)."""
    if topic.startswith(ORDER):
        with store.read() as view:
            order_id = find_order_by_link(view, topic.removeprefix(ORDER))["order_id"]
        return [(store.change_feed(ORDERS.name), order_id)]
    if topic not in TOPICS:
        raise Malformed(f"There is no topic {topic[:40]!r}; there are {', '.join(TOPICS)}.")
    return [(store.change_feed(name), None) for name in TOPICS[topic][1]]


def _refuse_others(topic: str) -> None:
    """Raise Forbidden for who may not see the pages that show this topic."""
    role, _ = TOPICS.get(topic, (CUSTOMER, ()))
    if not current().may(role):
        raise Forbidden(f"To follow {topic} takes a {role}.")


def _seen() -> int | None:
    """The position up to which the browser knows everything."""
    text = request.headers.get("Last-Event-ID") or request.args.get("after", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def messages(
    site: PageContext, watch: Watch, seen: int | None, topics: list[str]
) -> Iterator[bytes]:
    """The stream. The watch began before the position is asked, so nothing falls between them.

    A position is told when it is on disk: after a power cut it still means the same.
    """
    yield b"retry: %d\n\n" % RETRY_MS
    position = site.store.position()
    changed = [] if seen == position else topics
    ends_at, beat_at = monotonic() + LONGEST_S, 0.0
    while monotonic() < ends_at:
        if changed or monotonic() > beat_at:
            try:
                site.store.make_durable()
            except Unavailable:
                return  # the browser comes back, and is told then
            yield _message(position, changed)
            beat_at = monotonic() + site.heartbeat_s
        if site.stopping.wait(PAUSE_S if changed else LOOK_S):
            return
        position = site.store.position()
        changed = watch.changed()


def _message(position: int, changed: list[str]) -> bytes:
    """A message; without topics it is a heartbeat, which only moves the browser's position."""
    if not changed:
        return b": all is well\nid: %d\n\n" % position
    return f"id: {position}\nevent: change\ndata: {' '.join(changed)}\n\n".encode()
