"""Versions of operations: what changed from one to the next, and when each ends."""
