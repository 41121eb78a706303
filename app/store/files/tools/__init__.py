"""Offline tools: verify, repair, adopt edits, back up, restore, migrate."""
