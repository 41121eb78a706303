"""The operating system's side: errors of the file system, locks between processes, leadership."""
