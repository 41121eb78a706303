"""What an operator watches: probes, figures, the log and traces. It looks, and changes nothing."""
