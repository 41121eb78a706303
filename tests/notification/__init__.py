"""Tests of app/notification."""
