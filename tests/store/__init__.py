"""Tests of the store: its contract (contract/), and the JSON file store (files/)."""
