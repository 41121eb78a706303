"""Tests of app/privacy/: erasing customers, and giving their data out."""
