"""The documents in memory: memtables over checkpoint files, indexes, transactions, change feeds.

index.py holds the sorted indexes, query.py the question put to them, tables.py the memtables and
indexes of one process; transaction.py reads and changes them, and staged.py holds what is not yet
committed; change_feeds.py reports changed keys.
"""
