"""The contract of app.store, which every back-end must fulfil; uses its protocols only."""
