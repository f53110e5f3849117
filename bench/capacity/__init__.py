"""Measurement of the cost of one token, cached answer, journal row and so on, for docs/capacity.md."""
