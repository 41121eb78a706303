"""The data folder: initialised, opened, checked."""
