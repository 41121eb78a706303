"""The flow: a live picture of the events on their way through the shop. For all staff."""
