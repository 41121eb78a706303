"""Events: what happened, who has to know, and how it gets there. Imports no service.

To learn how it works, read in this order:

    types.py       what can happen, and who has to handle it
    outbox.py      events as they are kept, each with the state of its deliveries
    signals.py     the handlers that are connected
    dispatcher.py  one process leads; its thread does one round after the other
    daily.py       what the leader does once a day
    delivery.py    a round: which event to which handler, and what came of it
    schedule.py    which deliveries may run now: order (lanes.py), time and outages (desk.py,
                   breaker.py)
    workshop.py    threads for handlers with effects outside the store
    outcome.py     done, tried again, held or dead; retry.py decides between the last three
    failures.py    data/failure.json, and what people do with it; replay.py plans a replay
    faults.py      switches that make handlers fail, for classes
"""
