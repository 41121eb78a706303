"""Tests of app/orders."""
