"""The dispatcher, with hand-written handlers on a real store."""
