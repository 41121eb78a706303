"""The production server and its processes."""
