"""Lookups: the steps from a client's request for data to its answer, 3 to 10 in docs/architecture.md."""
