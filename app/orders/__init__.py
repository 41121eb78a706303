"""Orders: place, change, cancel, delete, find."""
