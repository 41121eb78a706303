"""The data folder: initialised, opened and checked when a store starts.

open.py initialises and opens it; external_files.py validates files that the store did not write;
issued_numbers.py checks that such files issue no number or id twice.
"""
