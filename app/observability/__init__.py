"""Monitoring: health probes, metrics, the log and traces. It observes and changes nothing."""
