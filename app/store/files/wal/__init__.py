"""The write-ahead log: every transaction is one line here before anything else happens.

format.py describes the lines in full; segment.py reads, appends and syncs one file; log.py joins
the segments to one log.
"""
