"""The write-ahead log: format, segments, log."""
