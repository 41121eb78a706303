"""Which deliveries may run now. Each module imports only modules that stand above it in this list.

breaker.py       circuit breaker: holds a handler's deliveries while its peer is down
partitions.py    FIFO order for each (order, handler); a dead head blocks its partition
ready_queue.py   the partitions of one handler that are ready, or delayed
ready_queues.py  those of all handlers: the shop's first, then those of subscribers
scheduler.py     partitions and ready queues together
"""
