"""Measurement of what one unit (a token, a cached answer, a journal row …) costs, from which docs/capacity.md computes
the cost of larger loads."""
