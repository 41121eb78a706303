"""The service as it is run: server processes, killed and stopped, on one data folder."""
