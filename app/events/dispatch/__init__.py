"""The dispatcher's parts. Each module imports only modules that stand above it in this list.

    delivery.py      an event on its way to a handler; the partition it belongs to
    retry.py         retry policy: when the next attempt is made (tenacity)
    retry_schedule.py  retries of subscribers: fixed waits
    scheduling/      which deliveries may run now: partitions, ready queues, circuit breakers
    worker_pool.py   threads for side effects and requests, apart from the store
    inbox.py         changed outbox records that are not read yet
    backpressure.py  the throttle: pauses deliveries during a burst of requests
    outcome.py       done, retry, held or dead, and how each is recorded
    observer.py      what metrics, logs and traces receive
    loop.py          the delivery loop, which puts these together
    jobs.py          work that one process does once a day
    dispatcher.py    the thread that leases shards and runs the loop; start here

Order: the events of an order reach each handler in the order of their commits, one at a time.
Delivery: effects inside the store are exactly once, because they and the outcome are one
transaction. Effects outside (mail, payment requests) are at least once.
"""
