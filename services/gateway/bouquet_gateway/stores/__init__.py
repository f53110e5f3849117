"""Stores of the gateway: cache in memory or redis, redis client, and single flight (identical questions are sent
once)."""
