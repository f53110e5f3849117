"""Sandbox explorer: pages that show invented people and all errors, make calls to the sandbox, and check proposed
cases."""
