"""Proof that nothing is lost; README.md explains each method."""
