"""Whole flows over HTTP, each in one test that reads as a tutorial. Start with test_order.py."""
