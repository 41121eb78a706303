"""Events: types, outbox, signals, dispatcher, failures and replay. Imports no service."""
