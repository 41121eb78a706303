"""Tests of app/contract."""
