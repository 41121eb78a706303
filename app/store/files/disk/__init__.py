"""The operating system's side: file system errors, locks, leadership, owners of data folders."""
