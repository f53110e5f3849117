"""Lookups: from a client's request for data to its answer (steps 3 to 10 in docs/architecture.md)."""
