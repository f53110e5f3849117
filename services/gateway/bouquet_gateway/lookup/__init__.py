"""Lookups: everything from a client's request for data about a person to the answer (steps 3 to 10 in
docs/architecture.md)."""
