"""Errors of the public contract: HTTP errors for reasons such as `token_expired`, and the list of all errors."""
