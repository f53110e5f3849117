"""Errors of the public contract: from a reason to an HTTP answer, and the list of all errors."""
