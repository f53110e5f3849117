"""Stores of the gateway: cache in memory or on redis, single flight, redis client."""
