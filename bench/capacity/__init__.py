"""Measurement of what one token, cached answer, journal row … costs. docs/capacity.md computes the cost of larger
loads from these."""
