"""How a process uses its machine: memory, threads, disk and log.

Memory (bounded caches), threads (bulkheads, their priority), the disk (durable files), errors of
the operating system, and the log (warnings that repeat). Nothing here knows the domain.
"""
