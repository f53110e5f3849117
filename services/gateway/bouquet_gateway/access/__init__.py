"""Authentication of callers, by tokens or FranceConnect sessions, and limits on the rate of their calls."""
