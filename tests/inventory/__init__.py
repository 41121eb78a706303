"""Tests of app/inventory."""
