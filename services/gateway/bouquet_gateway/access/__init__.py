"""Authentication of callers: credentials, tokens, FranceConnect sessions, rate limits."""
