"""Memtables, indexes, transactions and change feeds."""
