"""Tests of app/billing."""
