"""Pages for operators: events, failures, replay and fault injection (/events)."""
