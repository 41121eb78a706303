"""Tests of events: hand-written fake handlers on a real store."""
