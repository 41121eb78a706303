"""Tests of app/shipping."""
