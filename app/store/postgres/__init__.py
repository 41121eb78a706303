"""The store on PostgreSQL: the same contract as the files, for several machines.

Each collection is a table, in the schema `daybook`:

    orders        key, sort, terms, document    the document as JSON text, exactly as it was put
    orders_terms  term, sort, key               one row for each index value, such as status="paid"

A trigger keeps `orders_terms`, so a list is a range of its primary key: a page costs the same at
any length. The store's own tables begin with `store_`:

    store_settings  versions of the tables and the documents
    store_changes   one row for each committed transaction: the keys that it changed, and a token
    store_horizon   one row: how many changes were counted and removed, for positions and feeds
    store_turn      empty; its table locks let one transaction run alone, or some in turn
    store_workers   one row for each process that delivers: a number that shows that it lives
    store_shards    which of them delivers the events of each shard

Transactions are SERIALIZABLE (PostgreSQL's SSI): those that do not touch each other run in
parallel, and one that conflicts is repeated, at last alone. See docs/decisions/0142 and 0143.

Modules, from the bottom: sql.py (statements of one collection), connections.py (settings, errors,
the pool), session.py (one snapshot or transaction on one connection), transaction.py, schema.py
(tables and migrations), change_feeds.py, leases.py, store.py.
"""
