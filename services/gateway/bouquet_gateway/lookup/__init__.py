"""Lookups: hops 3 to 10, from a request for data to its answer."""
