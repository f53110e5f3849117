"""Stores of the gateway: cache in memory or on redis, redis client, and single flight (identical questions at the same
time are sent once)."""
