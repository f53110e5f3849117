"""Stores of the gateway: cache in memory or on redis, redis client, and single flight. With single flight, identical
requests at the same time are sent only once."""
