"""The measurements behind every figure in the project's README; how to run them: bench/README.md.

Nothing here is imported by the application, and nothing here imports it: every service is
started as a process of its own and spoken to over HTTP.
"""
