"""Benchmarks of Bouquet. They compare it with other frameworks (FastStream, nameko), and with RabbitMQ and aiohttp used
alone."""
