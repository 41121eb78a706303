"""Snapshots of the documents: the readable JSON files that checkpoints write.

checkpoint_file.py describes the format and reads it; writer.py writes the next version of a file.
"""
