"""The store that keeps JSON files: a write-ahead log, memtables and readable checkpoint files.

    transaction ──▶ journal/00000007.ndjson         the log: one line, one fsync (wal/)
                        │ applied
                        ▼
                    memtables and indexes           what a view reads (memory/)
                        │ snapshot, by the checkpointer
                        ▼
                    orders.json, …                  checkpoint files (snapshot/), renamed into
                                                    place; then the log segments they cover go

A document is looked up in the memtables first, newest to oldest, then in its checkpoint file. A
start opens the checkpoint files, builds the indexes from them, and replays the log after them.

The rooms, from the bottom; each imports only those above it in this list (import-linter checks it):

    disk/            errors of the file system, locks between processes, the leader lock
    wal/             the format of the log, its segments, and the log as a whole
    snapshot/        the format of checkpoint files; reading and writing them
    memory/          memtables, indexes, queries, transactions, change feeds
    folder/          initialising and opening a data folder, validating external files
    replica.py       one process's log and memory, kept in step
    group_commit.py  the commit lock, and transactions that share one line
    store.py         JsonFileStore: the contract of app/store/__init__.py
    checkpointer.py  writes checkpoints; follower.py keeps other processes caught up
    tools/           offline: verify, repair, adopt edits, back up, restore, migrate

Read app/store/__init__.py (the contract) first, then wal/format.py, snapshot/checkpoint_file.py,
memory/tables.py, memory/transaction.py, replica.py, store.py, group_commit.py, checkpointer.py.
"""
