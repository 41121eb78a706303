"""Live updates: a stream of server-sent events (SSE) that names the topics that changed.

A page states its topics and the store's position at which it was rendered. The stream sends
`change` with the topics changed since, and the page then requests itself again; the stream carries
no data of its own. The id of each message is the store's position. So a browser that reconnects, to
any process and after any restart, sends the last position it received (Last-Event-ID) and gets the
changes since at once: nothing is lost, and the server keeps no state for it.

    GET /live?on=products&on=order/1001-Zk3…&after=4711

    id: 4715
    event: change
    data: products

A stream occupies a server thread while it lasts, and a process keeps streams on a quarter of its
threads at most. Half of these, or the only one, staff alone may take. Over the limit the response
is 204, which stops the browser from reconnecting (HTML, 9.2.3); the page polls instead.
"""

from collections.abc import Iterator
from threading import Lock
from time import monotonic

from flask import Blueprint, Response, request

from app.billing.documents import INVOICES
from app.events.failures import FAILURES
from app.events.faults import FAULTS
from app.events.outbox import EVENTS, OUTBOXES
from app.http.security.identity import current, require_role
from app.inventory.documents import PRODUCTS
from app.kernel.errors import Malformed, Unavailable
from app.kernel.identity import CLERK, CUSTOMER, MANAGER, OPERATOR, PUBLIC
from app.orders.documents import ORDERS
from app.orders.queries import find_order_by_link
from app.shipping.documents import SHIPMENTS
from app.store import ChangeFeed, Store
from app.web.layout.context import PageContext
from app.webhooks.documents import WEBHOOKS

POLL_INTERVAL_S = 0.1
MESSAGE_INTERVAL_S = 0.4
"""The pause after a message, so that open pages of a busy shop do not refresh with every order."""

STREAM_MAX_S = 300.0
"""A stream is closed after this time; the browser reconnects by itself and misses nothing."""

RECONNECT_MS = 1000
ORDER_TOPIC = "order/"
"""The prefix of the topic of one order; the order's link follows."""

TOPICS = {
    "products": (CUSTOMER, (PRODUCTS.name,)),
    "orders": (CLERK, (ORDERS.name, INVOICES.name)),
    "events": (CLERK, (*OUTBOXES, EVENTS.name)),
    "shipments": (CLERK, (SHIPMENTS.name,)),
    "failures": (OPERATOR, (FAILURES.name, FAULTS.name)),
    "webhooks": (MANAGER, (WEBHOOKS.name,)),
    "flow": (CLERK, (*OUTBOXES, EVENTS.name, FAULTS.name)),
}
"""For each topic the least role that may follow it, and its collections."""

MAX_TOPICS = 8


class Subscription:
    """The change feeds behind the topics of one stream. Raises Malformed and NotFound."""

    def __init__(self, store: Store, topics: list[str]) -> None:
        self._feeds = [
            (topic, feed, key) for topic in topics for feed, key in _feeds_of(store, topic)
        ]

    def changed_topics(self) -> list[str]:
        """Return the topics with a changed document since the last call, each once."""
        changed = [
            topic
            for topic, feed, key in self._feeds
            if (keys := feed.take(timeout_s=0)) and (key is None or key in keys)
        ]
        return list(dict.fromkeys(changed))


class StreamSlots:
    """Bounds the open streams of one process; strangers leave half of them, or more, to staff."""

    def __init__(self, limit: int) -> None:
        self._lock = Lock()
        self._free = limit
        self._for_staff = limit - limit // 2

    def acquire(self, *, is_staff: bool) -> bool:
        """Take a slot; false when none is free for this caller."""
        with self._lock:
            if self._free <= (0 if is_staff else self._for_staff):
                return False
            self._free -= 1
            return True

    def release(self) -> None:
        """Return a slot."""
        with self._lock:
            self._free += 1


def add_to(blueprint: Blueprint, context: PageContext) -> None:
    """Register the stream at /live."""
    slots = StreamSlots(context.config.threads // 4)

    @blueprint.get("/live")
    def stream_changes() -> Response:
        topics = request.args.getlist("on")
        if not 0 < len(topics) <= MAX_TOPICS:
            raise Malformed(f"Say on=TOPIC, one to {MAX_TOPICS} times.")
        for topic in topics:
            require_role(TOPICS.get(topic, (CUSTOMER, ()))[0])
        subscription = Subscription(context.store, topics)
        if not slots.acquire(is_staff=current() is not PUBLIC):
            return Response(status=204)
        messages = event_stream(context, subscription, _last_position(), topics)
        # without X-Accel-Buffering, nginx would buffer the messages
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        response = Response(messages, mimetype="text/event-stream", headers=headers)
        response.call_on_close(slots.release)
        context.count_streams(1)
        response.call_on_close(lambda: context.count_streams(-1))
        return response


def event_stream(
    context: PageContext, subscription: Subscription, last_position: int | None, topics: list[str]
) -> Iterator[bytes]:
    """Yield the messages. The subscription precedes the first position, so no change is missed.

    A position is sent once it is on disk, so that it means the same after a power failure.
    """
    yield b"retry: %d\n\n" % RECONNECT_MS
    position = context.store.position()
    changed = [] if last_position == position else topics
    ends_at, heartbeat_at = monotonic() + STREAM_MAX_S, 0.0
    while monotonic() < ends_at:
        if changed or monotonic() > heartbeat_at:
            try:
                context.store.make_durable()
            except Unavailable:
                return  # the browser reconnects and gets the changes then
            yield _message(position, changed)
            heartbeat_at = monotonic() + context.heartbeat_s
        if context.stopping.wait(MESSAGE_INTERVAL_S if changed else POLL_INTERVAL_S):
            return
        position = context.store.position()
        changed = subscription.changed_topics()


def _feeds_of(store: Store, topic: str) -> list[tuple[ChangeFeed, str | None]]:
    """Return the feeds of a topic, each with the key to watch (None: all keys)."""
    if topic.startswith(ORDER_TOPIC):
        with store.read() as view:
            order_id = find_order_by_link(view, topic.removeprefix(ORDER_TOPIC))["order_id"]
        return [(store.change_feed(ORDERS.name), order_id)]
    if topic not in TOPICS:
        raise Malformed(f"There is no topic {topic[:40]!r}; there are {', '.join(TOPICS)}.")
    return [(store.change_feed(name), None) for name in TOPICS[topic][1]]


def _last_position() -> int | None:
    """Return the position up to which the browser has all changes; None when it sends none."""
    text = request.headers.get("Last-Event-ID") or request.args.get("after", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def _message(position: int, changed: list[str]) -> bytes:
    """Format a message; without topics it is a heartbeat, which only updates the position."""
    if not changed:
        return b": heartbeat\nid: %d\n\n" % position
    return f"id: {position}\nevent: change\ndata: {' '.join(changed)}\n\n".encode()
