"""Events: their types, the outbox, their delivery to handlers, failures and replay.

How an event travels:

    service ── emit() ──▶ outbox          in the transaction that changed the order
                            │ change feed
                            ▼
                          inbox           changed records, read a few at a time
                            ▼
                          scheduler       partitions (order, handler) · ready queues · breaker
                            ▼
                          handlers        transactional │ side effect in the │ request-reply:
                            │             in the loop's │ worker pool, after │ both, alternately
                            │             transaction   │ the transaction    │
                            ▼
                          outcome         done │ retry │ held by the breaker │ dead
                            ├──▶ outbox (while a delivery is open), then events
                            └──▶ failure.json (dead) ──▶ replay ──▶ outbox

Guarantees. Deliveries to one handler about one order are first in, first out, but for those that a
handler skips by the event alone; a dead delivery blocks only that partition. Effects inside the
store happen exactly once, effects outside at least once.

Reading order:

    types.py          every event type, with the handlers it must reach
    outbox.py         events and the state of their deliveries; `emit`
    subscriptions.py  handlers of other systems, which documents name
    registry.py       the three kinds of handler, and which event reaches which
    subscribers.py    the kind of handler that a subscriber has
    unit_of_work.py   the outbox records that one transaction of the loop reads and writes
    dispatch/         the delivery loop and its parts
    failures.py       failure.json: list, replay and discard failed deliveries
    replay.py         what a replay would do; replay_job.py does it and waits for the end
    recovery.py       sends a subscriber what it has not had
    event_feed.py     GET /event: what happened since a cursor
    faults.py         switches that make handlers fail, for classes and tests
    pace.py           slow motion: pauses deliveries, or slows them down, while somebody watches
    routes.py         the HTTP routes; schemas.py their documents

This package imports no service and, its routes excepted, no HTTP.
"""
