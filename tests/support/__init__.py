"""Servers that the tests start for themselves: a RabbitMQ node, a redis."""
